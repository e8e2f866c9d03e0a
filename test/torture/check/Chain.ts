import { execFile } from "node:child_process"
import { join } from "node:path"
import { patientRows } from "../Postgres.ts"
import type { Stage } from "../Stage.ts"
import { secondVerdict } from "./secondVerifier.ts"

const verifier = join(import.meta.dirname, "../../../src/cli/auditVerify.ts")

/** What the verifiers say of the trail. */
export interface ChainVerdict {
  readonly verified: boolean
  readonly said: string
}

/** What is needed of a stage. */
interface Sealed extends Pick<Stage, "databaseUrl" | "auditKeys" | "internalToken"> {
  readonly instances: ReadonlyArray<{ readonly proxies: { readonly client: { readonly port: number } } }>
}

/**
 * Verifies the trail twice, by nothing but the instances' public keys: in the database by the gateway's own
 * verifier, run as an operator runs it; and as an instance exports it by the checker's own, which also has to
 * find each row of the table in it.
 */
export const verifyChain = async (stage: Sealed): Promise<ChainVerdict> => {
  const rows = await sealedRows(stage.databaseUrl)
  const first = await byTheCommand(stage.databaseUrl, stage.auditKeys)
  const second = judgedAgain(await exported(stage), stage.auditKeys, rows)
  return {
    verified: first.verified && second === undefined,
    said: `${first.said}; ${second === undefined ? "the second verifier agrees" : `NO: the second verifier: ${second}`}`
  }
}

/** Says what the second verifier has against an export, or what the table has otherwise. */
export const judgedAgain = (
  exported: Buffer,
  keys: ReadonlyArray<string>,
  rows: ReadonlyArray<SealedRow>
): string | undefined => {
  const verdict = secondVerdict(exported, { keys })
  if ("refused" in verdict) return verdict.refused
  const odd = [
    ...(verdict.start === "beginning" ? [] : ["it does not start at the beginning"]),
    ...(verdict.unchainedBefore === undefined ? [] : ["its checkpoints are not chained"]),
    ...[...verdict.altered, ...verdict.oversize].map(
      (sequence) => `event ${sequence} is as no gateway writes it`
    ),
    ...verdict.others.map((key) => `it is signed with a key of nobody's: ${key}`)
  ]
  if (odd[0] !== undefined) return odd[0]
  const events = exported
    .toString()
    .split("\n")
    .filter((line) => line.startsWith('{"event":'))
    .map((line) => JSON.parse(line).event as SealedRow)
  if (events.length !== rows.length) return `it has ${events.length} events, and the table ${rows.length}`
  const at = rows.findIndex((row, n) =>
    (["id", "action", "outcome", "idempotency_key"] as const).some((name) => row[name] !== events[n]?.[name])
  )
  return at === -1 ? undefined : `event ${at + 1} is another in the table`
}

export interface SealedRow {
  readonly id: string
  readonly action: string
  readonly outcome: string
  readonly idempotency_key: string | null
}

const pause = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds))

/** How long the last events may wait for their seal once nothing is asked any more, in seconds. */
const sealedWithin = 120

/** Every event of the table, in the order of its seal; those without one last. */
const sealedRows = async (databaseUrl: string): Promise<ReadonlyArray<SealedRow>> => {
  for (let left = sealedWithin; left > 0; left--) {
    const [row] = await patientRows<{ waiting: number }>(
      databaseUrl,
      `select count(*)::integer as waiting from audit_events
       where position not in (select position from audit_seals)`
    )
    if (row?.waiting === 0) break
    await pause(1000)
  }
  return patientRows<SealedRow>(
    databaseUrl,
    `select e.id::text, e.action, e.outcome, e.idempotency_key
     from audit_events e left join audit_seals s using (position) order by s.sequence`
  )
}

/** An export by whichever instance gives one. */
const exported = async ({ instances, internalToken }: Sealed) => {
  for (let attempt = 0; ; attempt++) {
    const port = instances[attempt % instances.length]?.proxies.client.port
    try {
      const reply = await fetch(`http://127.0.0.1:${port}/api/v1/audit/export`, {
        headers: { authorization: `Bearer ${internalToken}` }
      })
      if (reply.status !== 200) throw new Error(`The export ended with ${reply.status}`)
      return Buffer.from(await reply.arrayBuffer())
    } catch (error) {
      if (attempt === 30) throw error
      await pause(1000)
    }
  }
}

const byTheCommand = (databaseUrl: string, keys: ReadonlyArray<string>): Promise<ChainVerdict> =>
  new Promise((done) => {
    execFile(
      process.execPath,
      [verifier, "--database-url", databaseUrl, ...keys.flatMap((key) => ["--key", key])],
      { maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const said = `${stdout}${stderr}`.trim().split("\n").at(-1) ?? ""
        done({ verified: error === null, said: error === null ? said : `NO: ${said}` })
      }
    )
  })
