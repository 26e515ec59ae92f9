/** What a code step must not do. */
export class StepMisuse extends Error {
  override readonly name = "StepMisuse";
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.remedy = remedy;
  }
}
