/** Every write of ours was refused: the lease belongs to another run. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";

  constructor(message = "the lease belongs to another run", options?: ErrorOptions) {
    super(message, options);
  }
}
