import { generateKeyPairSync, randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Records, readRecords } from "./check/Records.ts"
import {
  type Api,
  type Counterpart,
  counterpartOf,
  type Owner,
  type Project
} from "./counterparts/Counterpart.ts"
import type { History } from "./History.ts"
import { type HoldUps, holdUpsOf } from "./HoldUps.ts"
import type { Options } from "./Options.ts"
import { type Link, links, type Plan } from "./Plan.ts"
import { type Postgres, redirected, rows, startPostgres } from "./Postgres.ts"
import { type Program, startProgram } from "./Program.ts"
import { randomOf } from "./Random.ts"
import { type TcpProxy, tcpProxy } from "./TcpProxy.ts"
import { type Hearing, hear } from "./Wire.ts"

/** Everything that a run is played on: one PostgreSQL, one Tasker, the instances, and what stands between. */
export interface Stage {
  readonly postgres: Postgres
  /** The gateways' database, past every proxy. */
  readonly databaseUrl: string
  /** Reads what the gateways and Tasker have put on record, of Tasker as far as these cards are concerned or all. */
  readonly records: (only?: ReadonlySet<string>) => Promise<Records>
  readonly tasker: Program
  readonly counterpart: Counterpart
  readonly taskerApi: Api
  /** In whose name the agents act. */
  readonly owner: Owner
  readonly holdUps: HoldUps
  readonly instances: ReadonlyArray<Instance>
  readonly projects: ReadonlyArray<Project>
  readonly internalToken: string
  /** The public halves of what the instances sign the audit trail with. */
  readonly auditKeys: ReadonlyArray<string>
  /** How long Tasker and the first instance took to start, in milliseconds: how fast this machine is just now. */
  readonly startTook: number
  readonly close: () => Promise<void>
}

export interface Instance {
  readonly program: Program
  /** What its clients, it and Tasker, and it and the database talk through. */
  readonly proxies: Readonly<Record<Link, TcpProxy>>
}

export interface StageOptions {
  readonly options: Options
  readonly plan: Plan
  readonly folder: string
  readonly history: History
  /** The program of the instances, within the project. */
  readonly gateway: string
  readonly environment: Readonly<Record<string, string>>
  /** Told, as soon as there is something to close, how everything that is up is closed. */
  readonly opened: (close: () => Promise<void>) => void
}

/** Shared by all runs: a program that was killed is back the sooner. */
const compiled = join(tmpdir(), "gateway-torture-compiled")

const root = join(import.meta.dirname, "../..")
const projectCount = 3

const timing = ({ callDeadline, settleAfter, taskerTimeout }: HoldUps) => ({
  TASKER_TIMEOUT_MS: String(taskerTimeout),
  CALL_DEADLINE_MS: String(callDeadline),
  TASKER_SETTLE_AFTER_MS: String(settleAfter),
  SHUTDOWN_GRACE_SECONDS: "4"
})

/** What these agents do in a minute no agent does: limits and suspension have tests of their own. */
const unlimited = {
  RATE_LIMIT_READS_PER_MINUTE: "0",
  RATE_LIMIT_WRITES_PER_MINUTE: "0",
  SUSPEND_AFTER_DENIALS: "0"
}

export const setStage = async (options: StageOptions): Promise<Stage> => {
  const { folder, history, plan } = options
  const counterpart = counterpartOf(options.options)
  const holdUps = holdUpsOf(counterpart.kind)
  const postgres = await startPostgres()
  const closers: Array<() => Promise<unknown>> = [() => postgres.discard()]
  const close = async () => {
    for (let last = closers.pop(); last !== undefined; last = closers.pop()) await last()
  }
  options.opened(close)
  try {
    await rows(postgres.url, "create database reference_tasker")
    const taskerDatabaseUrl = redirected(postgres.url, { database: "reference_tasker" })
    const internalToken = secret()
    const taskerPort = await freePort()
    const taskerPlace = { port: taskerPort, databaseUrl: taskerDatabaseUrl, folder }
    const tasker = startProgram({
      name: "tasker",
      args: [join(root, counterpart.script)],
      environment: { NODE_COMPILE_CACHE: compiled, ...counterpart.environment(taskerPlace) },
      cwd: folder,
      log: join(folder, "tasker.log"),
      healthUrl: `http://127.0.0.1:${taskerPort}/control/requests?since=999999999`,
      history
    })
    closers.push(() => tasker.retire())
    const startedAt = performance.now()
    let startTook = 0
    await tasker.up()
    const instances: Array<Instance> = []
    const auditKeys: Array<string> = []
    for (let at = 0; at < plan.instances; at++) {
      const port = await freePort()
      const targets = { client: port, tasker: taskerPort, database: Number(new URL(postgres.url).port) }
      const proxies = Object.fromEntries(
        await Promise.all(
          links.map(async (link) => {
            const proxy = await tcpProxy({
              target: { host: "127.0.0.1", port: targets[link] },
              random: randomOf(plan.seed, `proxy.${link}.${at}`),
              struck: (fault) => history.write({ ev: "link", link, instance: at, fault }),
              ...(link === "tasker" ? { listener: () => hear(writesHeard(counterpart, history, at)) } : {})
            })
            closers.push(() => proxy.close())
            return [link, proxy] as const
          })
        )
      ) as Record<Link, TcpProxy>
      const home = join(folder, `instance-${at}`)
      mkdirSync(home, { recursive: true })
      const signing = signingKey()
      auditKeys.push(signing.publicKey)
      const program = startProgram({
        name: `instance ${at}`,
        args: ["--import", join(import.meta.dirname, "clock.ts"), join(root, options.gateway)],
        environment: {
          NODE_ENV: "development",
          LOG_LEVEL: "warn",
          HOST: "127.0.0.1",
          PORT: String(port),
          DATA_DIR: join(home, "data"),
          DATABASE_URL: redirected(postgres.url, { port: proxies.database.port }),
          ...counterpart.gateway(`http://127.0.0.1:${proxies.tasker.port}`),
          NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
          AUDIT_SIGNING_KEY: signing.privateKey,
          NODE_COMPILE_CACHE: compiled,
          TORTURE_CLOCK_SHIFT_MS: String(plan.clocks[at] ?? 0),
          ...timing(holdUps),
          ...unlimited,
          ...options.environment
        },
        cwd: home,
        log: join(folder, `instance-${at}.log`),
        healthUrl: `http://127.0.0.1:${port}/healthz`,
        history
      })
      closers.push(() => program.retire())
      instances.push({ program, proxies })
      // The first makes the tables; the others would only wait for it.
      if (at === 0) {
        await program.up()
        startTook = performance.now() - startedAt
      }
    }
    await Promise.all(instances.map(({ program }) => program.up()))
    const taskerApi = counterpart.api(`http://127.0.0.1:${taskerPort}`)
    closers.push(async () => {
      const left = await taskerApi.discard()
      if (left !== undefined) process.stderr.write(`${left}\n`)
    })
    const projects: Array<Project> = []
    for (let at = 1; at <= projectCount; at++) projects.push(await taskerApi.project(at))
    return {
      postgres,
      databaseUrl: postgres.url,
      records: (only) => readRecords(postgres.url, () => counterpart.records(taskerPlace, only)),
      tasker,
      counterpart,
      taskerApi,
      owner: await taskerApi.owner(),
      holdUps,
      instances,
      projects,
      internalToken,
      auditKeys,
      startTook,
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

let requests = 0

/** Puts every write that an instance asks Tasker for on record, and how it was answered. */
const writesHeard = (counterpart: Counterpart, history: History, instance: number): Hearing => ({
  asked: (request) => {
    const write = counterpart.writeOf(request)
    if (write === undefined) return undefined
    const send = `s${++requests}`
    history.write({ ev: "sent", send, instance, op: write.op, effects: counterpart.effectsOf(write) })
    return send
  },
  answered: (send, reply) => history.write({ ev: "answered", send, ...reply })
})

/** An Ed25519 key of one instance, both halves in base64 of their DER. */
const signingKey = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  return {
    privateKey: privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
    publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64")
  }
}

const secret = (): string => randomBytes(24).toString("base64url")

const freePort = (): Promise<number> =>
  new Promise((found, failed) => {
    const server = createServer()
    server.once("error", failed)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => found(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
