// What it could cost at the least: all SQL in one message, in one transaction, and nothing is remembered.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";

const [, , url, folder] = process.argv;
const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
const files = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => undefined });
await sql.unsafe(`begin;\n${files.join(";\n")};\ncommit`);
await sql.end();
