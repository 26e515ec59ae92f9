/** Every write of ours was refused: the lease belongs to another run. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}
