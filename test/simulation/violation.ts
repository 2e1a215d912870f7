/** What must never happen has happened: one of the invariants 1 to 4 of design §6. */
export class Violation extends Error {
  readonly invariant: 1 | 2 | 3 | 4;
  constructor(invariant: 1 | 2 | 3 | 4, message: string) {
    super(`invariant ${invariant}: ${message}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}
