// A database in memory, of whichever SQLite is there.

export async function openDatabase() {
  try {
    const { DatabaseSync } = await import("node:sqlite");
    return new DatabaseSync(":memory:");
  } catch {
    const { openSqlite } = await import("../test/stores.mjs");
    return openSqlite();
  }
}
