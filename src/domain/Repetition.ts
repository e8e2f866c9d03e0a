import { createHash } from "node:crypto"
import { normalForm } from "../text/normalForm.ts"
import { DuplicateRefused } from "./Failure.ts"

/**
 * An agent that makes the same card again under another key. Two titles are the same where they differ
 * in Unicode form (NFKC), case, spacing and punctuation only.
 */

/** A title without what does not tell one card from another. */
export const normalised = (title: string): string =>
  normalForm(
    // Folding beyond lower case: what lower case leaves apart and upper case joins, such as ß and SS.
    normalForm(title, "NFKC").toLowerCase().toUpperCase().toLowerCase(),
    "NFKC"
  )
    .replace(/[\s\p{P}\p{Z}\p{C}]+/gu, " ")
    .trim()

/** SHA-256 of a normalised title; of one that is all punctuation, of the title itself. */
export const titleHash = (title: string): Uint8Array => {
  const words = normalised(title)
  return createHash("sha256")
    .update(words === "" ? normalForm(title, "NFKC") : words)
    .digest()
}

/** The card that there is, as far as it may be shown to the agent that made it. */
export interface MadeBefore {
  readonly id: string
  readonly identifier?: string
  readonly url?: string
}

/** `made` is null while the first is still under way. */
export const possibleDuplicate = (made: MadeBefore | null): DuplicateRefused =>
  new DuplicateRefused({
    reason: "possible_duplicate",
    message:
      made === null
        ? "This agent is making a card with the same title just now, under another idempotency_key; nothing was made. Repeat the same call in a moment to be told what came of the first, or pass allow_duplicate: true if a second card is intended."
        : `This agent made a card with the same title just now: ${JSON.stringify(made.identifier ?? made.id)}. Nothing was made. Go on with that card, or pass allow_duplicate: true if a second one is intended.`,
    retryable: made === null,
    details: { issue: made, ...(made === null ? { retry_after_seconds: 1 } : {}) }
  })
