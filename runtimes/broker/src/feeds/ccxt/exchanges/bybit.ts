// One exchange of ccxt and not all hundred, which would cost another 60 MiB; the package exports only them together.
export { default } from "../../../../../../node_modules/ccxt/js/src/bybit.js";
