export { type DerivedDown, deriveDown, reasonOf } from "./down/derive.ts";
export { deriveDraftDown, type Untried } from "./down/draft.ts";
export { lossesOf } from "./down/loss.ts";
export { proveDown, readState } from "./down/prove.ts";
export { rowWritesIn } from "./down/row-writes.ts";
export { irreversibleReason } from "./down/text.ts";
export { type WrittenDown, writeDownFiles } from "./down/write.ts";
