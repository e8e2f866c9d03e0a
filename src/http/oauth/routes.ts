import { Layer } from "effect"
import * as AuthorizeRoute from "./AuthorizeRoute.ts"
import * as MetadataRoute from "./MetadataRoute.ts"
import * as RegisterRoute from "./RegisterRoute.ts"
import * as TokenRoute from "./TokenRoute.ts"

/** The authorization server: what `codex mcp login` and other MCP clients find by themselves. */
export const layer = Layer.mergeAll(
  MetadataRoute.layer,
  RegisterRoute.layer,
  AuthorizeRoute.layer,
  TokenRoute.layer
)
