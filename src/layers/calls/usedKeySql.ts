import { createHash } from "node:crypto"
import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Fragment } from "effect/sql/Statement"

/** True if the key of this agent was used for an executed write whose row is gone. `agentId` is a column. */
export const isUsedKey = (sql: PgClient, agentId: Fragment, key: string): Fragment => sql`exists (
  select from used_keys u
  where u.agent_id = ${agentId} and u.key_sha256 = ${createHash("sha256").update(key).digest()}
)`
