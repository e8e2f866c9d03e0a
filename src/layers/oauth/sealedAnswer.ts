import { Option, Redacted, Schema } from "effect"
import { Scope } from "../../domain/Scope.ts"
import { parseAny, type Token } from "../../domain/Token.ts"
import type { Issued } from "../../services/Logins.ts"
import { type SealingKey, seal, unseal } from "../sealedText.ts"

/**
 * The answer to a refresh, for who asks with the same token at the same instant. Sealed under the refresh token
 * itself, of which only the hash is kept.
 */
export interface Answer extends Issued {
  /** What the client asked to be narrowed to; null: nothing. */
  readonly asked: ReadonlyArray<Scope> | null
}

const Written = Schema.fromJsonString(
  Schema.Struct({
    access: Schema.String,
    refresh: Schema.String,
    scopes: Schema.Array(Scope),
    expiresInSeconds: Schema.Int,
    asked: Schema.NullOr(Schema.Array(Scope))
  })
)
const encode = Schema.encodeSync(Written)
const decode = Schema.decodeUnknownOption(Written)

const keyOf = (token: Token, login: string): SealingKey => ({
  secret: token,
  salt: login,
  purpose: "refresh answer"
})

/** The answer under the token's key; `iv` are as many random bytes as `ivLength` says. */
export const sealAnswer = (answer: Answer, token: Token, login: string, iv: Uint8Array): Buffer =>
  seal(
    encode({ ...answer, access: Redacted.value(answer.access), refresh: Redacted.value(answer.refresh) }),
    keyOf(token, login),
    iv
  )

/** The answer again; none under any other token. */
export const unsealAnswer = (bytes: Uint8Array, token: Token, login: string): Option.Option<Answer> =>
  Option.gen(function* () {
    const answer = yield* decode(yield* unseal(bytes, keyOf(token, login)))
    return { ...answer, access: yield* parseAny(answer.access), refresh: yield* parseAny(answer.refresh) }
  })
