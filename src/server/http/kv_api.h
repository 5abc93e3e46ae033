// The data API: GET, HEAD, PUT, DELETE /v1/kv/{keyspace}/{key}?r=&w=&sloppy=&ttl=&ttl_ms=
// Pure translation between HTTP and the core's requests; the session submits and answers.
//
// The key is all of the path behind the keyspace's segment, percent-decoded: any bytes; a '/' in it
// may be raw or encoded. A version context travels in the header X-Gyre-Context, both ways.
//
//   GET     200 one value, as application/octet-stream; 404 none (a context, if the key was
//   deleted);
//           300 siblings: multipart/mixed, newest first; with "Accept: application/json" as
//           {"context","values":[{"value_base64","time_ms","expires_ms"}]}.
//           A strong ETag names exactly what was returned; If-None-Match answers 304.
//   PUT     204 and the context of what was written. Without X-Gyre-Context the writer says "I have
//           seen nothing" (as KV.PUT with an empty context): what is there stays, as a sibling. To
//           replace a value send back the context it was read with.
//   DELETE  204. With X-Gyre-Context it deletes what that covers; without, all that a read finds.
//
// A write's answer says what it came to: X-Gyre-Copies (durable, each on a node of its own),
// X-Gyre-Hints (those of them that stand-ins keep), X-Gyre-Zones, X-Gyre-Strict.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/cluster_view.h"
#include "core/config.h"
#include "core/request.h"
#include "net/http_parser.h"
#include "server/http/http_reply.h"
#include "server/node_stats.h"

namespace gyre {

inline constexpr std::string_view kKvPrefix = "/v1/kv/";
inline constexpr std::string_view kExplainPrefix = "/v1/explain/";
inline constexpr std::string_view kContextHeader = "X-Gyre-Context";

// A request's target: path as sent, and its query.
struct HttpTarget {
  std::string_view path;
  std::string_view query;  // without the '?'
};
// Takes "/path?query" and "http://host/path?query". nullopt: neither.
std::optional<HttpTarget> SplitTarget(std::string_view target);

// What the reply depends on besides the outcome.
struct KvCall {
  ClientRequest request;
  Operation operation = Operation::kOther;
  std::string keyspace;
  RowKey key;
  bool wants_json = false;
  std::string if_none_match;
};

// A request whose path begins with kKvPrefix or kExplainPrefix.
// Errors: kInvalidArgument, kNotFound (keyspace), kUnsupported (conditions that need a leader).
// REQUIRES: a method that is allowed there.
Result<KvCall> ParseKvCall(const HttpRequest& request, const HttpTarget& target,
                           const ClusterView& view, const CoreConfig& limits, WallTime now);

HttpReply RenderKvResult(const KvCall& call, const ClientResult& result, const ClusterView& view,
                         WallTime now);

}  // namespace gyre
