export { type DerivedDown, deriveDown, reasonOf } from "./derive.ts";
export { irreversibleReason } from "./down-text.ts";
export { deriveDraftDown, type Untried } from "./draft.ts";
export { lossesOf } from "./losses.ts";
export { proveDown, readState } from "./prove.ts";
export { type WrittenDown, writeDownFiles } from "./write.ts";
