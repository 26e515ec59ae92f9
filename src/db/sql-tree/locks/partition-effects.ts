import type { PartitionCmd } from "libpg-query";
import { pathOfTable } from "../tree.ts";
import { type Altered, type Effect, lock } from "./effect.ts";

const AE = "ACCESS EXCLUSIVE";
const SRE = "SHARE ROW EXCLUSIVE";
const SUE = "SHARE UPDATE EXCLUSIVE";

export function attach({ name }: PartitionCmd, { scene, table }: Altered): readonly Effect[] {
  const partition = scene.table(pathOfTable(name ?? {}));
  const other = scene.defaultPartition(table);
  const referred = [...table.foreignKeys.values()].map(({ to }) => to);
  return [
    ...lock(SUE, table),
    ...lock(AE, [partition, ...scene.descendants(partition)], "scan"),
    ...(other === undefined ? [] : lock(AE, other, "scan")),
    ...lock(SRE, referred, "scan"),
    ...lock(SRE, scene.referrers(table)),
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
