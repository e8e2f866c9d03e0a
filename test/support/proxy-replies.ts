/** Error bodies of proxies that stand before servers, as these products send them by default. */
export interface ProxyReply {
  readonly by: string
  readonly type: string
  readonly body: string
}

const html = (by: string, body: string): ProxyReply => ({ by, type: "text/html", body })
const json = (by: string, value: unknown): ProxyReply => ({
  by,
  type: "application/json",
  body: JSON.stringify(value)
})
const text = (by: string, body: string): ProxyReply => ({ by, type: "text/plain", body })

export const proxyReplies: ReadonlyArray<ProxyReply> = [
  html(
    "nginx",
    "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
  ),
  html(
    "Cloudflare",
    '<!DOCTYPE html><html lang="en-US"><head><title>Attention Required! | Cloudflare</title></head><body><h1>Sorry, you have been blocked</h1><p>Error 1020</p></body></html>'
  ),
  json("Cloudflare", {
    type: "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/error-1015/",
    title: "Error 1015: You are being rate limited",
    status: 429,
    detail: "You are being rate-limited by the website owner's configuration.",
    error_code: 1015,
    error_name: "rate_limited",
    retryable: true
  }),
  html(
    "AWS ALB",
    "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n</body>\r\n</html>\r\n"
  ),
  json("AWS WAF", { message: "Forbidden" }),
  html(
    "oauth2-proxy",
    "<!DOCTYPE html><html><head><title>403 Forbidden</title></head><body><h1>403</h1><p>You do not have permission to access this resource.</p></body></html>"
  ),
  text(
    "Envoy",
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
  ),
  text("Traefik", "404 page not found\n"),
  json("Kong", { message: "API rate limit exceeded", request_id: "0b1f6d5d4f3a2e1c" }),
  html(
    "Azure Front Door",
    "<html><head><title>Microsoft-Azure-Application-Gateway/v2</title></head><body><center><h1>403 Forbidden</h1></center></body></html>"
  ),
  json("Spring Cloud Gateway", {
    timestamp: "2026-11-30T12:00:00.000+00:00",
    path: "/api/internal/nodedc/agent/issues",
    status: 409,
    error: "Conflict",
    requestId: "5d0b0c3f-1"
  }),
  json("oauth2-proxy, asked for JSON", {}),
  text("a proxy that sends no body", "")
]
