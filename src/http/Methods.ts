import { Effect } from "effect"
import * as FindMyWay from "effect/http/FindMyWay"
import * as HttpRouter from "effect/http/HttpRouter"

/**
 * The longest path parameter, as it stands in the URL: 128 characters of any script, percent-encoded.
 * Longer ones would not be found at all; what a parameter may really be is its schema's to say.
 */
export const routerConfig = { maxParamLength: 128 * 9, caseSensitive: true } as const

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

/**
 * A router that also remembers which methods a path has, since Effect's says "not found" for a known
 * path with another method, where HTTP wants 405 and `Allow` (RFC 9110 section 15.5.6).
 */
export const make: Effect.Effect<{
  readonly router: HttpRouter.HttpRouter
  /** The methods of the path that a URL names; none where there is no such path. */
  readonly allowed: (url: string) => ReadonlyArray<string>
}> = Effect.map(Effect.provideService(HttpRouter.make, HttpRouter.RouterConfig, routerConfig), (inner) => {
  const known = FindMyWay.make<true>(routerConfig)
  const remember = (method: string, path: HttpRouter.PathInput): void => {
    const paths = path.endsWith("/*") ? [path, path.slice(0, -2) as HttpRouter.PathInput] : [path]
    for (const each of paths) {
      if (method === "*") known.on(methods, each, true)
      else known.on(method, each, true)
    }
  }
  const remembering = (router: HttpRouter.HttpRouter, prefix: string): HttpRouter.HttpRouter => ({
    ...router,
    prefixed: (further) => remembering(router.prefixed(further), HttpRouter.prefixPath(further, prefix)),
    add: (method, path, handler, options) => {
      remember(method, HttpRouter.prefixPath(path, prefix) as HttpRouter.PathInput)
      return router.add(method, path, handler, options)
    },
    addAll: (routes) => {
      for (const route of routes)
        remember(route.method, HttpRouter.prefixPath(route.path, prefix) as HttpRouter.PathInput)
      return router.addAll(routes)
    }
  })
  return {
    router: remembering(inner, ""),
    allowed: (url) => {
      const found: Array<string> = methods.filter((method) => known.find(method, url) !== undefined)
      return found.includes("GET") ? [...found, "HEAD"] : found
    }
  }
})
