import type { PartitionCmd } from "libpg-query";
import { pathOfTable } from "../tree.ts";
import { type Altered, type Effect, lock } from "./effect.ts";
import type { Scene, SceneTable } from "./scene.ts";

const AE = "ACCESS EXCLUSIVE";
const SRE = "SHARE ROW EXCLUSIVE";
const SUE = "SHARE UPDATE EXCLUSIVE";

/** Tables that refer to one that gets a partition. */
export function partners(table: SceneTable, scene: Scene): readonly Effect[] {
  const mode = scene.facts.serverVersion >= 150_000 ? SRE : "ACCESS SHARE";
  return lock(mode, scene.referrers(table));
}

export function attach({ name }: PartitionCmd, { scene, table }: Altered): readonly Effect[] {
  const partition = scene.table(pathOfTable(name ?? {}));
  const other = scene.defaultPartition(table);
  const referred = [...table.foreignKeys.values()].map(({ to }) => to);
  return [
    ...lock(SUE, table),
    ...lock(AE, [partition, ...scene.descendants(partition)], "scan"),
    ...(other === undefined ? [] : lock(AE, other, "scan")),
    ...lock(SRE, referred, "scan"),
    ...partners(table, scene),
  ];
}

export function detach(
  { name, concurrent }: PartitionCmd,
  { scene, table }: Altered,
): readonly Effect[] {
  const partition = scene.table(pathOfTable(name ?? {}));
  const other = scene.defaultPartition(table);
  const gone = [partition, ...scene.descendants(partition)];
  if (concurrent) return [...lock(SUE, table), ...lock(AE, gone)];
  return [
    ...lock(AE, table, "instant", "DETACH PARTITION … CONCURRENTLY lets others pass."),
    ...lock(AE, gone),
    ...lock(
      SRE,
      [...partition.foreignKeys.values()].map(({ to }) => to),
    ),
    ...(other === undefined ? [] : lock(AE, other)),
    // None of their rows may refer to one that goes.
    ...lock(AE, scene.referrers(table), "scan"),
  ];
}
