export { type DerivedDown, deriveDown, reasonOf } from "./derive.ts";
export { deriveDraftDown, type Untried } from "./draft.ts";
export { lossesOf } from "./loss.ts";
export { proveDown, readState } from "./prove.ts";
export { rowWritesIn } from "./row-writes.ts";
export { irreversibleReason } from "./text.ts";
export { type WrittenDown, writeDownFiles } from "./write.ts";
