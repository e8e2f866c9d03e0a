import { Clock, Effect, Exit, Layer, Option, Result, Semaphore } from "effect"
import { Settings } from "../../Config.ts"
import { clientIn, documentHost, documentHosts } from "../../domain/ClientDocument.ts"
import { networkOf } from "../../domain/Network.ts"
import type { OAuthClient } from "../../domain/OAuthClient.ts"
import { ClientRefused } from "../../domain/OAuthFailure.ts"
import { ClientDocuments } from "../../services/ClientDocuments.ts"
import { fetchPinned, type Net, publicNet } from "./pinnedFetch.ts"

/** For how long what was read is kept, and that it could not be read, in milliseconds. */
const keptMillis = 10 * 60_000
const failedMillis = 15_000

/**
 * Documents that are kept, and names of those that could not be read; the one that came first makes room. Each
 * have their own, so that made-up names push no document out.
 */
const remembered = 100

/**
 * Documents are asked for by anyone who opens a link, so few are fetched at a time and in a minute, from the
 * named hosts alone: the gateway is no means of flooding them. One network has a share of that, and what was
 * read before is read anew whatever is left, so that nobody who makes names up keeps others from logging in.
 */
const atOnce = 4
const aMinute = 60
const ofNetwork = 10

interface Kept {
  readonly until: number
  readonly exit: Exit.Exit<OAuthClient, ClientRefused>
}

/** What was fetched in a minute, in all and for each network. */
interface Minute {
  readonly of: number
  readonly networks: Map<string, number>
  fetched: number
}

/** Fetches over `net`. */
export const layerOver = (net: Net) =>
  Layer.effect(
    ClientDocuments,
    Effect.gen(function* () {
      const settings = yield* Settings
      const hosts = new Set(documentHosts(settings.cimdHosts))
      const turns = yield* Semaphore.make(atOnce)
      const read = new Map<string, Kept>()
      const unread = new Map<string, Kept>()
      let minute: Minute = { of: 0, networks: new Map(), fetched: 0 }

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
        const known = [read.get(id), unread.get(id)]
        return known.find((entry) => entry !== undefined && entry.until > now)?.exit
      }

      const remember = (kept: Map<string, Kept>, id: string, entry: Kept): void => {
        kept.delete(id)
        kept.set(id, entry)
        for (const oldest of kept.keys()) {
          if (kept.size <= remembered) return
          kept.delete(oldest)
        }
      }

      /** Whether there is a fetch left for a document that was never read. Takes it. */
      const mayFetch = (network: string, now: number): boolean => {
        const of = Math.floor(now / 60_000)
        if (minute.of !== of) minute = { of, networks: new Map(), fetched: 0 }
        const own = minute.networks.get(network) ?? 0
        if (own >= ofNetwork || minute.fetched >= aMinute) return false
        minute.networks.set(network, own + 1)
        minute.fetched++
        return true
      }

      const readFor = Effect.fn("ClientDocuments.read")(function* (id: string, address: string) {
        const host = documentHost(id)
        if (host === undefined || !(hosts.has(host) || hosts.has(host.replace(/:443$/, "")))) {
          return yield* new ClientRefused({
            reason: "unknown",
            because: "its host is not in OAUTH_CIMD_HOSTS"
          })
        }
        const cached = fresh(id, yield* Clock.currentTimeMillis)
        if (cached !== undefined) return yield* cached
        return yield* Semaphore.withPermits(
          turns,
          1
        )(
          Effect.gen(function* () {
            // Whoever waited for a turn may find that somebody before it read the same.
            const now = yield* Clock.currentTimeMillis
            const known = fresh(id, now)
            if (known !== undefined) return yield* known
            if (!read.has(id) && !mayFetch(networkOf(address), now))
              return yield* unreadable("too many documents were read this minute")
            const exit = yield* Effect.exit(Effect.interruptible(fetch(id)))
            if (Exit.isSuccess(exit)) remember(read, id, { until: now + keptMillis, exit })
            else if (!Exit.hasInterrupts(exit)) remember(unread, id, { until: now + failedMillis, exit })
            return yield* exit
          })
        ).pipe(
          Effect.tapError(({ because }) =>
            Effect.logWarning("A client's metadata document could not be read", { host, because })
          )
        )
      })

      return ClientDocuments.of({ read: readFor })
    })
  )

const unreadable = (because: string): ClientRefused => new ClientRefused({ reason: "unreadable", because })

export const layer = layerOver(publicNet)
