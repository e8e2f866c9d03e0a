import { normalForm } from "../text/normalForm.ts"

/** Folds a name for comparing: case, Unicode form and outer white space do not tell two apart. */
export const folded = (name: string): string => normalForm(name, "NFKC").trim().toLocaleLowerCase("und")
