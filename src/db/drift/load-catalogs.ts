/** Loaded by those who compare: it is most of the code. */
export const loadCatalogs = () => import("../catalog/index.ts");

type Catalogs = Awaited<ReturnType<typeof loadCatalogs>>;
export type Catalog = Awaited<ReturnType<Catalogs["readCatalog"]>>;
export type Difference = ReturnType<Catalogs["compareCatalogs"]>["differences"][number];
