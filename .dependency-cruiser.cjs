// Directions of import (docs/architecture.md): crds ← service-kit, kubernetes, trading, postgres ← runtimes; the operator sees only the runtimes' configuration.
const test = "\\.test\\.ts$|/testing/|^test/";

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "crds-import-nothing-of-ours",
      severity: "error",
      from: { path: "^crds/", pathNot: `${test}|^crds/src/generate` },
      to: { path: "^(operator|runtimes|k3s|test)/" },
    },
    {
      name: "foundations-import-no-runtime",
      severity: "error",
      from: { path: "^runtimes/(service-kit|kubernetes|trading|postgres)/", pathNot: test },
      to: { path: "^(operator|k3s|test|runtimes/(agent|risk|broker|gateway|memory|checkpoint|node-agent|console))/" },
    },
    { name: "kubernetes-knows-no-kind", severity: "error", from: { path: "^runtimes/kubernetes/" }, to: { path: "^crds/" } },
    {
      name: "runtimes-never-import-runtimes",
      severity: "error",
      from: { path: "^runtimes/(agent|risk|broker|gateway|checkpoint|node-agent)/", pathNot: test },
      to: { path: "^runtimes/(agent|risk|broker|gateway|checkpoint|node-agent)/", pathNot: "^runtimes/$1/" },
    },
    {
      name: "operator-sees-only-configuration",
      severity: "error",
      from: { path: "^operator/", pathNot: test },
      to: { path: "^runtimes/(agent|risk|broker|gateway|checkpoint|node-agent)/src/(?!config\\.ts$)" },
    },
    {
      name: "plugin-sees-only-the-foundations",
      severity: "error",
      from: { path: "^plugin/", pathNot: test },
      to: { path: "^(operator|k3s|test|runtimes/(agent|risk|broker|gateway|memory|checkpoint|node-agent|console|postgres))/" },
    },
    {
      name: "kinds-never-import-kinds",
      severity: "error",
      from: { path: "^operator/src/(strategy|llm-route|risk-policy|checkpoint)/" },
      to: { path: "^operator/src/(strategy|llm-route|risk-policy|checkpoint)/", pathNot: "^operator/src/$1/" },
    },
    {
      name: "only-the-foundation-speaks-to-postgres",
      severity: "error",
      from: { path: "^(operator|runtimes)/", pathNot: `${test}|^runtimes/(postgres|checkpoint)/|^operator/src/chart-hooks/` },
      to: { path: "node_modules/(pg|@types/pg)/" },
    },
    {
      name: "plans-and-manifests-do-no-io",
      severity: "error",
      from: { path: "/(plan|manifests)\\.ts$" },
      to: {
        path: "^(node:)?(fs|net|http|https|child_process|dns|tls|worker_threads)|node_modules/(undici|pg|fastify|@kubernetes)/",
      },
    },
    {
      name: "trading-is-pure",
      severity: "error",
      from: { path: "^runtimes/trading/src/", pathNot: test },
      to: { path: "^(node:)?(fs|net|http|https|child_process|dns|tls|worker_threads)" },
    },
    {
      name: "no-tests-in-products",
      severity: "error",
      from: { pathNot: `${test}|^vitest` },
      to: { path: "\\.test\\.ts$|^test/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "node_modules/\\.|/dist/|^\\.bellwether" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    parser: "swc",
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".json"],
    },
    moduleSystems: ["es6", "cjs"],
  },
};
