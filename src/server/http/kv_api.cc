#include "server/http/kv_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <vector>

#include "base/base64.h"
#include "base/check.h"
#include "base/hash.h"
#include "server/admin_json.h"

namespace gyre {
namespace {

constexpr std::uint64_t kTtlMsMax = 3650ull * 86400 * 1000;  // ten years

tl::unexpected<Error> Invalid(std::string_view message) {
  return Fail(ErrorCode::kInvalidArgument, message);
}

// Keyspace and key of the path behind the prefix.
Status ReadPath(std::string_view path, const ClusterView& view, KvCall& call) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) {
    return Invalid("the path is {keyspace}/{key}; there is no key in it");
  }
  std::string key;
  if (!PercentDecode(path.substr(0, slash), call.keyspace) ||
      !PercentDecode(path.substr(slash + 1), key)) {
    return Invalid("a '%' in the path is not followed by two hexadecimal digits");
  }
  if (key.empty()) return Invalid("the key is empty; a key has 1 to 65536 bytes");
  if (key.size() > kKeyBytesMax) return Invalid("the key is longer than 65536 bytes");
  const KeyspaceId keyspace = KeyspaceIdOf(call.keyspace);
  const KeyspaceConfig* config = view.FindKeyspace(keyspace);
  if (config == nullptr || config->name != call.keyspace) {
    return Fail(ErrorCode::kNotFound, "there is no keyspace of this name");
  }
  call.key = {keyspace, view.ring.TokenOf(key), Bytes(key)};
  return {};
}

struct Query {
  RequestOptions options;
  std::optional<Duration> ttl;
};

Result<QuorumSpec> ReadQuorum(std::string_view name, std::string_view text) {
  Result<QuorumSpec> spec = QuorumSpec::Parse(text);
  if (!spec) return Invalid(std::string(name) + ": " + spec.error().message);
  return spec;
}

Result<bool> ReadYesOrNo(std::string_view name, std::string_view text) {
  if (text == "yes" || text == "true" || text == "1") return true;
  if (text == "no" || text == "false" || text == "0") return false;
  return Invalid(std::string(name) + " must be yes or no");
}

Result<Duration> ReadTtl(std::string_view name, std::string_view text) {
  const std::uint64_t unit_ms = name == "ttl" ? 1000 : 1;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 ||
      number > kTtlMsMax / unit_ms) {
    return Invalid(fmt::format("{} must be a whole number from 1 to {} ({})", name,
                               kTtlMsMax / unit_ms, name == "ttl" ? "seconds" : "milliseconds"));
  }
  return Duration::Millis(static_cast<std::int64_t>(number * unit_ms));
}

Result<Query> ReadQuery(std::string_view query, HttpMethod method) {
  Query result;
  std::set<std::string, std::less<>> seen;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? "" : query.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    std::string name, value;
    if (equals == std::string_view::npos || !PercentDecode(pair.substr(0, equals), name) ||
        !PercentDecode(pair.substr(equals + 1), value)) {
      return Invalid("the query must be name=value pairs");
    }
    if (!seen.insert(name).second) return Invalid(name + " is given twice");
    if (name == "r" || name == "w") {
      const Result<QuorumSpec> spec = ReadQuorum(name, value);
      if (!spec) return Fail(spec.error());
      (name == "r" ? result.options.read_quorum : result.options.write_quorum) = *spec;
    } else if (name == "sloppy") {
      const Result<bool> sloppy = ReadYesOrNo(name, value);
      if (!sloppy) return Fail(sloppy.error());
      result.options.sloppy = *sloppy;
    } else if (name == "ttl" || name == "ttl_ms") {
      if (method != HttpMethod::kPut) return Invalid(name + " is for PUT only");
      if (result.ttl) return Invalid("give ttl or ttl_ms, not both");
      const Result<Duration> ttl = ReadTtl(name, value);
      if (!ttl) return Fail(ttl.error());
      result.ttl = *ttl;
    } else {
      return Invalid("unknown query parameter; known are r, w, sloppy, ttl, ttl_ms");
    }
  }
  return result;
}

Result<std::optional<VersionVector>> ReadContext(const HttpRequest& request) {
  const std::size_t count = request.HeaderCount("x-gyre-context");
  if (count == 0) return std::nullopt;
  if (count > 1) return Invalid("X-Gyre-Context is given twice");
  Result<VersionVector> context = DecodeContext(*request.Header("x-gyre-context"));
  if (!context) return Invalid("X-Gyre-Context: " + context.error().message);
  return std::optional<VersionVector>(std::move(*context));
}

// Conditions and encodings that would be dropped in silence, with loss.
Status RefuseWhatIsNotKept(const HttpRequest& request) {
  for (const char* name : {"if-match", "if-none-match", "if-unmodified-since"}) {
    if (request.Header(name) != nullptr) {
      return Fail(ErrorCode::kUnsupported,
                  std::string(name) +
                      " on a write needs a leader, which Gyre has not: send "
                      "X-Gyre-Context, and concurrent writes become siblings");
    }
  }
  if (request.Header("content-range") != nullptr) {
    return Invalid("a value is written as a whole: Content-Range is not accepted");
  }
  if (const std::string* encoding = request.Header("content-encoding");
      encoding != nullptr && *encoding != "identity") {
    return Invalid("Content-Encoding is not kept with a value: send the value as it is");
  }
  return {};
}

Status ReadPut(const HttpRequest& request, const Query& query, const KeyspaceConfig& keyspace,
               const CoreConfig& limits, WallTime now, KvCall& call) {
  if (Status status = RefuseWhatIsNotKept(request); !status) return status;
  if (request.body.size() > limits.value_bytes_max) {
    return Invalid(fmt::format("the value is larger than {} bytes", limits.value_bytes_max));
  }
  Result<std::optional<VersionVector>> context = ReadContext(request);
  if (!context) return Fail(std::move(context.error()));
  WriteValue write;
  write.context = context->value_or(VersionVector());
  write.value = Bytes(request.body);
  write.checksum = Xxh3_64(request.body);
  const Duration ttl = query.ttl.value_or(keyspace.default_ttl);
  if (ttl > Duration{}) write.expiry = WallTime{now.ms + std::max<std::int64_t>(1, ttl.ms())};
  call.operation = Operation::kPut;
  call.request = PutRequest{call.key, std::move(write), /*read_first=*/false, query.options};
  return {};
}

Status ReadDelete(const HttpRequest& request, const Query& query, KvCall& call) {
  if (Status status = RefuseWhatIsNotKept(request); !status) return status;
  Result<std::optional<VersionVector>> context = ReadContext(request);
  if (!context) return Fail(std::move(context.error()));
  const bool read_first = !context->has_value();
  call.operation = Operation::kDelete;
  call.request = PutRequest{call.key, DeleteValue{std::move(*context)}, read_first, query.options};
  return {};
}

bool AcceptsJson(const HttpRequest& request) {
  const std::string* accept = request.Header("accept");
  return accept != nullptr && accept->find("application/json") != std::string::npos;
}

// ---- replies -------------------------------------------------------------------------------

std::vector<const Sibling*> LiveNewestFirst(const Record& record, WallTime now) {
  std::vector<const Sibling*> live;
  for (const Sibling& sibling : record.siblings) {
    if (sibling.LiveAt(now)) live.push_back(&sibling);
  }
  std::sort(live.begin(), live.end(), [](const Sibling* a, const Sibling* b) {
    return a->time != b->time ? a->time > b->time : a->dot > b->dot;
  });
  return live;
}

// Names the bytes of this reply: what was seen, which siblings live (one may expire without any
// write), and their form.
std::string EntityTag(const Record& record, const std::vector<const Sibling*>& live, bool json) {
  std::string text;
  const auto add = [&](const Dot& dot) {
    fmt::format_to(std::back_inserter(text), "{:x}.{:x}.{:x} ", dot.actor.value, dot.epoch, dot.n);
  };
  for (const VersionVector::Entry& entry : record.clock.entries()) add(entry.dot());
  text += '|';
  for (const Sibling* sibling : live) {
    add(sibling->dot);
    if (json) fmt::format_to(std::back_inserter(text), "{} ", sibling->expiry.ms);
  }
  if (live.size() > 1) text += json ? "json" : "multipart";
  const Hash128 hash = Xxh3_128(text);
  return fmt::format("\"{:016x}{:016x}\"", hash.high, hash.low);
}

bool Matches(std::string_view if_none_match, std::string_view tag) {
  if (if_none_match == "*") return true;
  while (!if_none_match.empty()) {
    const std::size_t comma = if_none_match.find(',');
    std::string_view candidate = if_none_match.substr(0, comma);
    if_none_match = comma == std::string_view::npos ? "" : if_none_match.substr(comma + 1);
    while (candidate.starts_with(' ')) candidate.remove_prefix(1);
    while (candidate.ends_with(' ')) candidate.remove_suffix(1);
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == tag) return true;
  }
  return false;
}

// A boundary that occurs in no value: the same values give the same one. Ends at the first try but
// for values made to match.
std::string BoundaryFor(const std::vector<const Sibling*>& live) {
  std::uint64_t seed = 0;
  for (const Sibling* sibling : live) seed = seed * 31 + sibling->checksum;
  for (;; ++seed) {
    std::string boundary = fmt::format("gyre-{:016x}", seed);
    if (std::none_of(live.begin(), live.end(), [&](const Sibling* sibling) {
          return sibling->value.view().find(boundary) != std::string_view::npos;
        })) {
      return boundary;
    }
  }
}

void FillMultipart(HttpReply& reply, const std::vector<const Sibling*>& live) {
  const std::string boundary = BoundaryFor(live);
  reply.content_type = "multipart/mixed; boundary=" + boundary;
  bool first = true;
  for (const Sibling* sibling : live) {
    reply.body.emplace_back(fmt::format(
        "{}--{}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        first ? "" : "\r\n", boundary, sibling->value.size()));
    reply.body.push_back(sibling->value);
    first = false;
  }
  reply.body.emplace_back("\r\n--" + boundary + "--\r\n");
}

// Written by hand: base64 and numbers need no escaping.
void FillJson(HttpReply& reply, const Record& record, const std::vector<const Sibling*>& live) {
  reply.content_type = "application/json";
  reply.body.emplace_back("{\"context\":\"" + EncodeContext(record.clock) + "\",\"values\":[");
  for (std::size_t i = 0; i < live.size(); ++i) {
    const Sibling& sibling = *live[i];
    std::string text =
        fmt::format("{}{{\"time_ms\":{},", i == 0 ? "" : ",", sibling.time.wall().ms);
    if (sibling.expiry != kNeverExpires) {
      fmt::format_to(std::back_inserter(text), "\"expires_ms\":{},", sibling.expiry.ms);
    }
    text += "\"value_base64\":\"" + Base64Encode(sibling.value.view()) + "\"}";
    reply.body.emplace_back(text);
  }
  reply.body.emplace_back(std::string_view("]}\n"));
}

HttpReply RenderGet(const KvCall& call, const GetOutcome& outcome, WallTime now) {
  const std::vector<const Sibling*> live = LiveNewestFirst(outcome.record, now);
  HttpReply reply;
  if (live.empty()) {
    reply = ErrorReply({ErrorCode::kNotFound, outcome.record.clock.empty()
                                                  ? "there is no such key"
                                                  : "the key was deleted or has expired"});
  }
  if (!outcome.record.clock.empty()) {
    reply.headers.emplace_back(kContextHeader, EncodeContext(outcome.record.clock));
  }
  reply.headers.emplace_back("Cache-Control", "no-cache");
  if (live.empty()) return reply;
  const std::string tag = EntityTag(outcome.record, live, call.wants_json);
  reply.headers.emplace_back("ETag", tag);
  if (live.size() > 1) reply.headers.emplace_back("Vary", "Accept");
  if (!call.if_none_match.empty() && Matches(call.if_none_match, tag)) {
    reply.status = 304;
    return reply;
  }
  if (live.size() > 1) {
    reply.status = 300;
    if (call.wants_json) {
      FillJson(reply, outcome.record, live);
    } else {
      FillMultipart(reply, live);
    }
    return reply;
  }
  reply.content_type = "application/octet-stream";
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.body.push_back(live.front()->value);
  return reply;
}

HttpReply RenderPut(const PutOutcome& outcome) {
  HttpReply reply;
  reply.status = 204;
  if (!outcome.context.empty()) {
    reply.headers.emplace_back(kContextHeader, EncodeContext(outcome.context));
  }
  reply.headers.emplace_back("X-Gyre-Copies", std::to_string(outcome.copies));
  reply.headers.emplace_back("X-Gyre-Hints", std::to_string(outcome.hints));
  reply.headers.emplace_back("X-Gyre-Zones", std::to_string(outcome.zones));
  reply.headers.emplace_back("X-Gyre-Strict", outcome.strict ? "true" : "false");
  return reply;
}

}  // namespace

std::optional<HttpTarget> SplitTarget(std::string_view target) {
  if (!target.starts_with('/')) {
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) return std::nullopt;
    const std::size_t path = target.find_first_of("/?", scheme + 3);
    if (path == std::string_view::npos) return HttpTarget{"/", ""};
    target.remove_prefix(path);
  }
  const std::size_t question = target.find('?');
  if (question == std::string_view::npos) return HttpTarget{target, ""};
  return HttpTarget{target.substr(0, question), target.substr(question + 1)};
}

Result<KvCall> ParseKvCall(const HttpRequest& request, const HttpTarget& target,
                           const ClusterView& view, const CoreConfig& limits, WallTime now) {
  KvCall call;
  const bool explain = target.path.starts_with(kExplainPrefix);
  const std::size_t prefix = explain ? kExplainPrefix.size() : kKvPrefix.size();
  if (Status status = ReadPath(target.path.substr(prefix), view, call); !status) {
    return Fail(std::move(status.error()));
  }
  const Result<Query> query = ReadQuery(target.query, request.method);
  if (!query) return Fail(query.error());
  if (explain) {
    call.request = ExplainRequest{call.key, query->options};
    return call;
  }
  Status status;
  if (request.method == HttpMethod::kPut) {
    status = ReadPut(request, *query, *view.FindKeyspace(call.key.keyspace), limits, now, call);
  } else if (request.method == HttpMethod::kDelete) {
    status = ReadDelete(request, *query, call);
  } else {
    call.operation = Operation::kGet;
    call.wants_json = AcceptsJson(request);
    if (const std::string* tags = request.Header("if-none-match")) call.if_none_match = *tags;
    call.request = GetRequest{call.key, query->options};
  }
  if (!status) return Fail(std::move(status.error()));
  return call;
}

HttpReply RenderKvResult(const KvCall& call, const ClientResult& result, const ClusterView& view,
                         WallTime now) {
  if (!result) return ErrorReply(result.error());
  if (const auto* get = std::get_if<GetOutcome>(&*result)) return RenderGet(call, *get, now);
  if (const auto* explain = std::get_if<ExplainOutcome>(&*result)) {
    return JsonReply(200, ExplainJson(view, call.keyspace, call.key, *explain, now));
  }
  const auto* put = std::get_if<PutOutcome>(&*result);
  GYRE_CHECK(put != nullptr);
  return RenderPut(*put);
}

}  // namespace gyre
