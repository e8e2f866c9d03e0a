import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import { ownerAmong } from "../../src/layers/plane/planeOwner.ts"
import { agent, projectId } from "../support/tasker-api.ts"

const ivan = {
  id: "c82d6273-17ab-4344-89a4-5e4894557b40",
  display_name: "ivan",
  email: "Ivan@Example.test",
  role: 15
}
const fedor = {
  id: "5f44443d-e5a3-4f7c-9166-8f805cf8598a",
  display_name: "fedor",
  email: "fedor@example.test",
  role: 20
}

const verdict = (
  owner: { readonly id: string; readonly email: string },
  doing: "reads" | "writes" = "writes",
  inWorkspace: ReadonlyArray<typeof ivan | Omit<typeof ivan, "role">> = [ivan, fedor],
  inProject: ReadonlyArray<typeof ivan> = [ivan, fedor]
) =>
  Result.match(
    ownerAmong({
      who: {
        agent: { ...agent, owner_user_id: owner.id as UserId, owner_email: owner.email },
        requestId: "r",
        workspaceSlug: "ops"
      },
      projectId,
      doing,
      inWorkspace,
      inProject
    }),
    {
      onSuccess: ({ id }) => id,
      onFailure: ({ message, reason }) => `${reason}: ${/^The agent's owner (.*?), and/.exec(message)?.[1]}`
    }
  )

const asOps = "workspace ops"

describe("an agent's owner in Plane", () => {
  it("is the member with the owner's id, in either case", () => {
    assert.strictEqual(verdict({ id: ivan.id, email: "other@example.test" }), ivan.id)
    assert.strictEqual(verdict({ id: ivan.id.toUpperCase(), email: "other@example.test" }), ivan.id)
  })

  it("is else the one member with the owner's e-mail, in any case", () => {
    assert.strictEqual(verdict({ id: "owner-1", email: "ivan@example.TEST" }), ivan.id)
  })

  it("is nobody if two members have that e-mail", () => {
    const twin = { ...fedor, email: ivan.email }
    assert.strictEqual(
      verdict({ id: "owner-1", email: ivan.email }, "reads", [ivan, twin], [ivan, twin]),
      `owner_not_member: can't be told apart: several members of ${asOps} have the owner's e-mail`
    )
  })

  it("may do nothing without a seat in the workspace", () => {
    assert.strictEqual(
      verdict({ id: "owner-1", email: "nobody@example.test" }, "reads"),
      `owner_not_member: is not a member of ${asOps}`
    )
  })

  it("may do nothing in a project that never had them as a member", () => {
    assert.strictEqual(
      verdict({ id: ivan.id, email: ivan.email }, "reads", [ivan, fedor], [fedor]),
      `owner_not_member: is not a member of project ${projectId}`
    )
  })

  it("may only read as a guest, or without a role that is known", () => {
    const { role: _, ...unknown } = ivan
    for (const guest of [{ ...ivan, role: 5 }, unknown]) {
      assert.strictEqual(verdict({ id: ivan.id, email: "" }, "reads", [guest]), ivan.id)
      assert.strictEqual(
        verdict({ id: ivan.id, email: "" }, "writes", [guest]),
        `owner_not_member: is a guest in ${asOps} and may only read there`
      )
    }
  })
})
