import { AgentId, GrantId, ProjectId, TokenId, UserId } from "../../src/domain/Ids.ts"
import type { Principal, StandingGrant } from "../../src/domain/Principal.ts"

const at = "2026-11-24T00:00:00.000Z"
const agentId = AgentId.make("01a20d9e-495e-77ba-8d22-0b822d9bebaa")

export const grantOf = (terms: Partial<StandingGrant>): StandingGrant => ({
  id: GrantId.make("0d1f7a5c-53b0-4f0e-8f3c-6a1d5e0b9c11"),
  agent_id: agentId,
  workspace_slug: "nodedc",
  project_id: ProjectId.make("7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"),
  scopes: ["issue:read"],
  expires_at: null,
  max_writes_per_day: null,
  created_at: at,
  updated_at: at,
  revoked_at: null,
  expired: false,
  writes_today: 0,
  ...terms
})

export const principalOf = (grants: ReadonlyArray<StandingGrant>): Principal => ({
  agent: {
    id: agentId,
    owner_user_id: UserId.make("owner-1"),
    owner_email: "owner@example.test",
    display_name: "Test Codex",
    status: "active",
    disabled_reason: null,
    created_at: at,
    updated_at: at
  },
  token: {
    id: TokenId.make("5b1f7a5c-53b0-4f0e-8f3c-6a1d5e0b9c12"),
    agent_id: agentId,
    kind: "agent",
    name: "laptop",
    scopes: null,
    created_at: at,
    expires_at: null,
    revoked_at: null
  },
  grants
})
