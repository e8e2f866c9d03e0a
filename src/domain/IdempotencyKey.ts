import { Schema } from "effect"

/** The two forms that an idempotency key may have, and the words that say so. */

const characters = "A-Z a-z 0-9 _ : . -"

/** What a tool's `idempotency_key` consists of; `migrations/0004_idempotency_keys.sql` holds to it too. */
export const keyWords = `8 to 128 characters of ${characters}`

const form = /^[A-Za-z0-9_:.-]{8,128}$/u

/** The key of one write of one agent. */
export const IdempotencyKey = Schema.String.check(Schema.isPattern(form, { message: `Expected ${keyWords}` }))

export const isIdempotencyKey = (text: string): boolean => form.test(text)

const lifecycleForm = /^[A-Za-z0-9_:.-]{1,128}$/u

/** The key of a lifecycle request: an operator's own, perhaps only a number. */
export const LifecycleKey = Schema.String.check(
  Schema.isPattern(lifecycleForm, { message: `Expected 1 to 128 characters of ${characters}` })
)

export const isLifecycleKey = (text: string): boolean => lifecycleForm.test(text)
