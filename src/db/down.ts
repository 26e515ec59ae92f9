export { type DerivedDown, deriveDown, reasonOf } from "./down/derive.ts";
export { deriveDraftDown, type Untried } from "./down/draft.ts";
export { proveDown, readState } from "./down/prove.ts";
export { irreversibleReason } from "./down/text.ts";
export { type WrittenDown, writeDownFiles } from "./down/write.ts";
