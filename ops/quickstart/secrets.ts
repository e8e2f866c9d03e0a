import { generateKeyPairSync, randomBytes } from "node:crypto"

export const secret = () => randomBytes(32).toString("base64url")

export const signingKey = () =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).toString("base64")
