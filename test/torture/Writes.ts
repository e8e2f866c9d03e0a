import type { Named, Project } from "./counterparts/Counterpart.ts"
import * as Effects from "./Effects.ts"
import type { Random } from "./Random.ts"

/** A card as the one worker that writes on it knows it. */
export interface WorkedCard {
  readonly id: string
  readonly project: Project
  updatedAt: string | null
  version: string | null
  /** Effects that were asked for already: none is ever asked for twice. */
  readonly asked: Set<string>
}

/** A write before it has a key. */
export interface Wanted {
  readonly tool: string
  readonly project: Project
  readonly args: Readonly<Record<string, unknown>>
  readonly effect: string
  readonly card: WorkedCard | null
  /** Of a create: what its card holds from the beginning, so that asking for it would leave nothing new. */
  readonly holds: (issue: string) => ReadonlyArray<string>
}

const nothing = () => []

/** Makes writes, each of which leaves something in Tasker that no other does. */
export const writesOf = (random: Random, nextMark: () => string) => {
  const named = ({ id, name }: Named): string => (random.chance(0.5) ? id : name)

  const create = (project: Project): Wanted => {
    const mark = nextMark()
    const state = random.chance(0.3) ? random.pick(project.states) : undefined
    const label = random.chance(0.2) ? random.pick(project.labels) : undefined
    const member = random.chance(0.2) ? random.pick(project.members) : undefined
    const [first] = project.states
    return {
      tool: "tasker_create_issue",
      project,
      args: {
        project_id: project.id,
        name: `Card ${mark}`,
        ...(state === undefined ? {} : { state: named(state) }),
        ...(label === undefined ? {} : { labels: [named(label)] }),
        ...(member === undefined ? {} : { assignees: [named(member)] }),
        ...(random.chance(0.2) ? { priority: random.pick(["urgent", "high", "low"]) } : {}),
        description: `Made as **${mark}**.`
      },
      effect: Effects.created(mark),
      card: null,
      holds: (issue) => [
        Effects.moved(issue, state?.id ?? first?.id ?? ""),
        ...(label === undefined ? [] : [Effects.labelled(issue, [label.id])]),
        ...(member === undefined ? [] : [Effects.assigned(issue, [member.id])])
      ]
    }
  }

  /** The same title as another create, spelled otherwise. */
  const twin = (of: Wanted, allow: boolean): Wanted => {
    const { effect, args } = create(of.project)
    return {
      tool: of.tool,
      project: of.project,
      args: {
        project_id: of.project.id,
        name: respelled(random, String(of.args.name)),
        description: args.description,
        ...(allow ? { allow_duplicate: true } : {})
      },
      effect,
      card: null,
      holds: nothing
    }
  }

  const on = (card: WorkedCard, tool: string, effect: string, args: object): Wanted | undefined => {
    if (card.asked.has(effect)) return undefined
    card.asked.add(effect)
    const expected = tool !== "tasker_add_comment" && random.chance(0.4) ? expectation(card) : {}
    return {
      tool,
      project: card.project,
      args: { project_id: card.project.id, issue_id: card.id, ...args, ...expected },
      effect,
      card,
      holds: nothing
    }
  }

  const expectation = ({ updatedAt, version }: WorkedCard): object => {
    if (version !== null && random.chance(0.5)) return { expected_version: version }
    return updatedAt === null ? {} : { expected_updated_at: updatedAt }
  }

  const some = (from: ReadonlyArray<Named>) => {
    const chosen = random.shuffled(from).slice(0, random.between(1, from.length - 1))
    return { ids: chosen.map(({ id }) => id), named: chosen.map(named) }
  }

  const kinds: ReadonlyArray<(card: WorkedCard) => Wanted | undefined> = [
    (card) => {
      const mark = nextMark()
      return on(card, "tasker_update_issue", Effects.updated(card.id, mark), {
        name: `Renamed ${mark}`,
        ...(random.chance(0.3) ? { description: `Rewritten for ${mark}\n\n- one\n- two` } : {}),
        ...(random.chance(0.3) ? { priority: random.pick(["high", "medium", "none"]) } : {})
      })
    },
    (card) => {
      const state = random.pick(card.project.states)
      return on(card, "tasker_move_issue", Effects.moved(card.id, state.id), { state: named(state) })
    },
    (card) => {
      const { ids, named } = some(card.project.labels)
      return on(card, "tasker_set_labels", Effects.labelled(card.id, ids), { labels: named })
    },
    (card) => {
      const { ids, named } = some(card.project.members)
      return on(card, "tasker_set_assignees", Effects.assigned(card.id, ids), { assignees: named })
    },
    (card) => {
      const mark = nextMark()
      return on(card, "tasker_add_comment", Effects.commented(mark), { comment: `Said *${mark}*` })
    }
  ]

  /** Some change of a card, or none where this card had what was drawn already. */
  const change = (card: WorkedCard): Wanted | undefined => random.pick(kinds)(card)

  return { create, twin, change }
}

/** The gateway's rule: NFKC, case folded, white space and punctuation collapsed. */
const respelled = (random: Random, title: string): string =>
  random.pick<(title: string) => string>([
    (same) => same.toUpperCase(),
    (same) => `  ${same.replaceAll(" ", "   ")} `,
    (same) => `${same.replaceAll(" ", " - ")}!`,
    (same) => same.replace("Card", "Ｃａｒｄ")
  ])(title)
