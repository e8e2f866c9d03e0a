import { Effect, Option } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { Settings } from "../Config.ts"
import { type AuthFailure, RequestRefused } from "../domain/Failure.ts"
import { within } from "../domain/Network.ts"
import { internalToken } from "./Bearer.ts"
import { CurrentClient } from "./ClientAddress.ts"

/**
 * Makes the check that a request is an operator's: it comes from `LIFECYCLE_NETWORKS`, if that is set, with the
 * internal token or, during a rotation, the previous one. The address is judged first, so that nobody outside
 * learns which tokens are good.
 */
export const makeOperator = ({
  internalToken: current,
  lifecycleNetworks,
  previousInternalToken
}: Pick<Settings["Service"], "internalToken" | "lifecycleNetworks" | "previousInternalToken">): ((
  request: HttpServerRequest
) => Effect.Effect<void, AuthFailure | RequestRefused>) => {
  const accepted = [...Option.toArray(current), ...Option.toArray(previousInternalToken)]
  const isInside = lifecycleNetworks.length === 0 ? () => true : within(lifecycleNetworks)
  return Effect.fnUntraced(function* (request) {
    if (!isInside(yield* CurrentClient)) return yield* elsewhere()
    yield* internalToken(request, accepted)
  })
}

const elsewhere = () =>
  new RequestRefused({
    reason: "address",
    message:
      "The lifecycle API is not open to this address. Its operator can add the address or its network to LIFECYCLE_NETWORKS."
  })
