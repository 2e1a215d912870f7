export * from "./database.ts";
export * from "./errors.ts";
export * from "./journal-database.ts";
export * from "./migrate.ts";
export * from "./writer-epoch.ts";
