import { Clock, Effect, Exit, Layer, Option, Result, Semaphore } from "effect"
import { Settings } from "../Config.ts"
import { clientIn, documentHost, documentHosts } from "../domain/ClientDocument.ts"
import type { OAuthClient } from "../domain/OAuthClient.ts"
import { ClientRefused } from "../domain/OAuthFailure.ts"
import { ClientDocuments } from "../services/ClientDocuments.ts"
import { fetchPinned, type Net, publicNet } from "./pinnedFetch.ts"

/** For how long what was read is kept, and that it could not be read, in milliseconds. */
const keptMillis = 10 * 60_000
const failedMillis = 15_000

/** Documents that are kept; the one that came first makes room. */
const remembered = 100

/**
 * Documents are asked for by anyone who opens a link, so few are fetched at a time and in a minute, from the
 * named hosts alone: the gateway is no means of flooding them.
 */
const atOnce = 4
const aMinute = 60

interface Kept {
  readonly until: number
  readonly exit: Exit.Exit<OAuthClient, ClientRefused>
}

/** Fetches over `net`. */
export const layerOver = (net: Net) =>
  Layer.effect(
    ClientDocuments,
    Effect.gen(function* () {
      const settings = yield* Settings
      const hosts = new Set(documentHosts(settings.cimdHosts))
      const turns = yield* Semaphore.make(atOnce)
      const kept = new Map<string, Kept>()
      let minute = { of: 0, fetched: 0 }

      const fetch = Effect.fnUntraced(function* (id: string) {
        const text = yield* Effect.mapError(fetchPinned(new URL(id), net), ({ because }) =>
          unreadable(because)
        )
        const document = Result.try(() => JSON.parse(text) as unknown)
        const client = Option.flatMap(Result.getSuccess(document), (value) =>
          clientIn(value, id, settings.redirectHosts)
        )
        return Option.isSome(client)
          ? client.value
          : yield* unreadable("it does not describe this client, or no address of it may be sent a code")
      })

      const fresh = (id: string, now: number): Kept["exit"] | undefined => {
        const known = kept.get(id)
        return known !== undefined && known.until > now ? known.exit : undefined
      }

      const remember = (id: string, entry: Kept): void => {
        kept.delete(id)
        kept.set(id, entry)
        for (const oldest of kept.keys()) {
          if (kept.size <= remembered) return
          kept.delete(oldest)
        }
      }

      const read = Effect.fn("ClientDocuments.read")(function* (id: string) {
        const host = documentHost(id)
        if (host === undefined || !(hosts.has(host) || hosts.has(host.replace(/:443$/, "")))) {
          return yield* new ClientRefused({
            reason: "unknown",
            because: "its host is not in OAUTH_CIMD_HOSTS"
          })
        }
        const now = yield* Clock.currentTimeMillis
        const cached = fresh(id, now)
        if (cached !== undefined) return yield* cached
        return yield* Semaphore.withPermits(
          turns,
          1
        )(
          Effect.gen(function* () {
            // Whoever waited for a turn may find that somebody before it read the same.
            const known = fresh(id, yield* Clock.currentTimeMillis)
            if (known !== undefined) return yield* known
            const of = Math.floor(now / 60_000)
            if (minute.of !== of) minute = { of, fetched: 0 }
            if (minute.fetched >= aMinute)
              return yield* unreadable("too many documents were read this minute")
            minute.fetched++
            const exit = yield* Effect.exit(Effect.interruptible(fetch(id)))
            if (Exit.isSuccess(exit) || !Exit.hasInterrupts(exit)) {
              remember(id, { until: now + (Exit.isSuccess(exit) ? keptMillis : failedMillis), exit })
            }
            return yield* exit
          })
        ).pipe(
          Effect.tapError(({ because }) =>
            Effect.logWarning("A client's metadata document could not be read", { host, because })
          )
        )
      })

      return ClientDocuments.of({ read })
    })
  )

const unreadable = (because: string): ClientRefused => new ClientRefused({ reason: "unreadable", because })

export const layer = layerOver(publicNet)
