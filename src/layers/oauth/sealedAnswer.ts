import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { Option, Redacted, Schema } from "effect"
import { Scope } from "../../domain/Scope.ts"
import { parseAny, type Token } from "../../domain/Token.ts"
import type { Issued } from "../../services/Logins.ts"

/**
 * The answer to a refresh, for who asks with the same token at the same instant. Sealed with AES-256-GCM under a
 * key that HKDF (RFC 5869) makes of the refresh token itself, of which only the hash is kept: neither the gateway
 * nor whoever has its database can open it.
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

const keyOf = (token: Token, login: string): Buffer =>
  Buffer.from(hkdfSync("sha256", Redacted.value(token), login, "tasker-codex-api refresh answer", 32))

const ivLength = 12
const tagLength = 16

export const seal = (answer: Answer, token: Token, login: string): Buffer => {
  const iv = randomBytes(ivLength)
  const cipher = createCipheriv("aes-256-gcm", keyOf(token, login), iv)
  const text = encode({
    ...answer,
    access: Redacted.value(answer.access),
    refresh: Redacted.value(answer.refresh)
  })
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed])
}

/** The answer again; none under any other token. */
export const unseal = (bytes: Uint8Array, token: Token, login: string): Option.Option<Answer> => {
  const sealed = Buffer.from(bytes)
  const decipher = createDecipheriv("aes-256-gcm", keyOf(token, login), sealed.subarray(0, ivLength))
  decipher.setAuthTag(sealed.subarray(ivLength, ivLength + tagLength))
  let text: string
  try {
    text = Buffer.concat([
      decipher.update(sealed.subarray(ivLength + tagLength)),
      decipher.final()
    ]).toString()
  } catch {
    return Option.none()
  }
  return Option.gen(function* () {
    const answer = yield* decode(text)
    return { ...answer, access: yield* parseAny(answer.access), refresh: yield* parseAny(answer.refresh) }
  })
}
