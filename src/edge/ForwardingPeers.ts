import { Context } from "effect"
import { within } from "../domain/Network.ts"

/**
 * Finds proxies that the operator has not named: peers that send `X-Forwarded-For` and are not in
 * `TRUSTED_PROXIES`. All clients of such a proxy count as one address, so that one of them uses up what all of them
 * may try.
 */
export class ForwardingPeers extends Context.Service<
  ForwardingPeers,
  {
    /** Counts a request with `X-Forwarded-For`. Returns a warning if it has to be logged. */
    readonly seen: (peer: string) => string | undefined
    /** Sentences for operators about the peers with the most requests. */
    readonly warnings: () => ReadonlyArray<string>
  }
>()("tasker-codex-api/edge/ForwardingPeers") {}

/** Peers that are remembered; a newcomer replaces the one with the fewest requests, so a busy proxy stays. */
const remembered = 16
/** Peers that operators are shown. */
const shown = 3
/** Warnings that a process logs: strangers can send the header too, each from an address of its own. */
const logged = 16

export const make = (trusted: ReadonlyArray<string>): ForwardingPeers["Service"] => {
  const isTrusted = within(trusted)
  const requests = new Map<string, number>()
  let warned = 0

  return {
    seen: (peer) => {
      if (isTrusted(peer)) return undefined
      const before = requests.get(peer)
      requests.set(peer, (before ?? 0) + 1)
      if (before !== undefined) return undefined
      if (requests.size > remembered) forgetQuietest(requests, peer)
      if (warned === logged) return undefined
      warned += 1
      return warning(peer)
    },
    warnings: () =>
      [...requests]
        .sort(([, one], [, other]) => other - one)
        .slice(0, shown)
        .map(([peer]) => warning(peer))
  }
}

const forgetQuietest = (requests: Map<string, number>, but: string): void => {
  const [quietest] = [...requests].filter(([peer]) => peer !== but).sort(([, one], [, other]) => one - other)
  if (quietest !== undefined) requests.delete(quietest[0])
}

const warning = (peer: string): string =>
  `The peer ${peer} sends X-Forwarded-For and is not in TRUSTED_PROXIES: all its clients count as one address. If it is your proxy, add ${peer} to TRUSTED_PROXIES`
