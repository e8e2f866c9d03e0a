import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { ProjectId } from "../../src/domain/Ids.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import * as GrantPolicyLive from "../../src/layers/calls/GrantPolicyLive.ts"
import { GrantPolicy } from "../../src/services/GrantPolicy.ts"
import { grantOf, principalOf } from "../support/principals.ts"

const projects = [1, 2, 3].map((n) => ProjectId.make(`7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2${n}`))
const [first = "" as ProjectId, second = "" as ProjectId] = projects

const withPolicy = <A, E>(use: (policy: GrantPolicy["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(GrantPolicy, use).pipe(Effect.provide(GrantPolicyLive.layer))

describe("the grant policy", () => {
  it.effect("lets pass what a live grant on that project holds", () =>
    withPolicy((policy) =>
      Effect.gen(function* () {
        const principal = principalOf([grantOf({ project_id: first, scopes: ["issue:read"] })])
        const grant = yield* policy.authorise(principal, "issue:read", first)
        assert.strictEqual(grant.project_id, first)
      })
    )
  )

  it.effect.each([
    ["no_grant", principalOf([]), "issue:read"],
    ["no_grant", principalOf([grantOf({ project_id: second, scopes: allScopes })]), "issue:read"],
    [
      "grant_expired",
      principalOf([grantOf({ project_id: first, scopes: allScopes, expired: true })]),
      "issue:read"
    ],
    ["scope_missing", principalOf([grantOf({ project_id: first, scopes: ["project:read"] })]), "issue:read"]
  ] as const)("denies with %s, naming what is missing and who can grant it", ([reason, principal, scope]) =>
    withPolicy((policy) =>
      Effect.map(Effect.flip(policy.authorise(principal, scope, first)), (failure) => {
        assert.strictEqual(failure.reason, reason)
        assert.include(failure.message, principal.agent.owner_user_id)
        assert.include(failure.message, "Nothing was changed")
        if (reason === "scope_missing") assert.include(failure.message, scope)
      })
    )
  )

  it.effect("never lets pass what no live grant on the project holds (property)", () =>
    withPolicy((policy) =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.array(
              fc.record({
                project_id: fc.constantFrom(...projects),
                scopes: fc.subarray([...allScopes], { minLength: 1 }),
                expired: fc.boolean()
              }),
              { maxLength: 3 }
            ),
            fc.constantFrom(...allScopes),
            async (terms, scope) => {
              const grants = [...new Map(terms.map((grant) => [grant.project_id, grantOf(grant)])).values()]
              const exit = await Effect.runPromiseExit(policy.authorise(principalOf(grants), scope, first))
              const held = grants.some(
                (grant) => grant.project_id === first && !grant.expired && grant.scopes.includes(scope)
              )
              assert.strictEqual(exit._tag === "Success", held)
            }
          )
        )
      )
    )
  )

  it.effect("lists for resolving and for tools only what is live", () =>
    withPolicy((policy) =>
      Effect.sync(() => {
        const principal = principalOf([
          grantOf({ project_id: first, scopes: ["issue:read"], expired: true }),
          grantOf({ project_id: second, scopes: ["project:read"], workspace_slug: "nodedc" })
        ])
        assert.deepStrictEqual([...policy.scopes(principal)], ["project:read"])
        assert.lengthOf(policy.granting(principal, "project:read", "nodedc"), 1)
        assert.lengthOf(policy.granting(principal, "project:read", "other"), 0)
        assert.lengthOf(policy.granting(principal, "issue:read"), 0)
      })
    )
  )
})
