/**
 * The promises of a Tasker that `npm run tasker:check` tries. `docs/TASKER_API.md` lists them with the cost of
 * one that does not hold.
 */
export interface Promised {
  readonly title: string
  /** How the gateway behaves in front of a Tasker that does not keep it. */
  readonly cost: string
}

export const promises = {
  "once.lost_reply": {
    title: "A write whose reply was lost is executed once",
    cost: "A card or comment can be doubled, or its write stays `unresolved` until a person settles it."
  },
  "once.repeat": {
    title: "A repeated create or comment makes nothing new",
    cost: "The gateway's own resend can double a card or comment. If the look-up by `external_id` is missing too, a create or comment whose reply was lost is `unresolved` and never sent again."
  },
  "once.late_repeat": {
    title: "A create or comment repeated after other changes makes nothing new",
    cost: "A request that a proxy repeats late makes a double that the gateway does not see."
  },
  "once.race": {
    title: "Equal creates or comments at the same moment make one",
    cost: "A first request that is executed in the moment of the resend makes a double. The gateway finds it and tells it in `warnings` and as `write.doubled`."
  },
  "change.late_repeat": {
    title: "A change repeated late undoes no later change",
    cost: "A change that is executed late, or repeated by a proxy, overwrites what a person changed in between."
  },
  "change.version": {
    title: "A change under an outdated `expected_updated_at` is refused",
    cost: "Lost updates: a change that is executed late overwrites what a person changed in between. The gateway compares the content before it sends, not while Tasker writes."
  },
  "change.fields": {
    title: "Changes of different fields at the same moment both stand",
    cost: "A change that was answered as done can be gone a moment later."
  },
  "card.version_still": {
    title: "`updated_at` moves only if the content changes",
    cost: "The gateway compares content instead of `updated_at`. Its own changes can be refused with 409; it then sends them again, at most three times."
  },
  "card.as_asked": {
    title: "A new card is what was asked for",
    cost: "The agent is told the difference in `warnings`."
  },
  "lookup.external_id": {
    title: "`external_id` finds the card that a create made, or none",
    cost: "A create whose reply was lost can't be looked for. Without repeat detection it is `unresolved` and never sent again."
  },
  "lookup.card": {
    title: "`issue_id` and `identifier` find one card, or none",
    cost: "The gateway looks for the card in what is listed: up to 2,000 cards and 8 MiB a response. Beyond that the tools fail with `tasker.unsupported`."
  },
  "list.complete": {
    title: "Pages list every card once, under any `limit`",
    cost: "Without `limit` and `cursor` the gateway pages a list of up to 2,000 cards and 8 MiB by itself. Pages that skip cards hide them from agents."
  },
  "list.filters": {
    title: "Filters are applied",
    cost: "The gateway filters what is listed, within a bound of pages, and `total_count` is null."
  },
  "list.total": {
    title: "`total_count` counts the cards under the filters",
    cost: "Agents read a wrong `total_count`."
  },
  "list.order": {
    title: "Cards are listed by `created_at`, newest first",
    cost: "Cards that are edited while an agent pages can move past its cursor. Looks for doubles read the newest page and can miss one."
  },
  "comments.listed": {
    title: "Comments are listed, each with its `external_id`",
    cost: "`tasker_list_comments` is `tasker.unsupported`. A comment whose reply was lost can't be looked for."
  },
  "text.empty": {
    title: "A card can be without text (`<p></p>`)",
    cost: "A card without a description is refused or gets a text."
  },
  "text.meaning": {
    title: "HTML comes back with its meaning",
    cost: "The agent is told in `warnings` that Tasker changed the text. A write whose reply was lost can stay `unresolved`."
  },
  "members.assignable": {
    title: "Every member listed with role 15 or more can be assigned",
    cost: "Setting assignees can empty the set: the gateway sends a member that Tasker then leaves out."
  },
  "members.others": {
    title: "Guests and removed members can't be assigned",
    cost: "None through the gateway, which refuses them by their role."
  },
  "owner.member": {
    title: "An owner who is no member is refused (403 `owner_not_member`)",
    cost: "An agent goes on in the name of a person who left the project, until its grant ends or is revoked."
  },
  "errors.documents": {
    title: "Refusals are error documents",
    cost: "A refused write is `tasker.outcome_unknown`, since a proxy can have answered after it was executed. A refused read is `tasker.contract`."
  }
} satisfies Readonly<Record<string, Promised>>

export type PromiseId = keyof typeof promises
