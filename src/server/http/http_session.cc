#include "server/http/http_session.h"

#include <utility>

#include "base/base64.h"
#include "server/admin_json.h"
#include "server/config.h"
#include "server/metrics.h"

namespace gyre {
namespace {

constexpr std::string_view kIndex = R"({
  "name": "gyre",
  "endpoints": [
    {"path": "/v1/kv/{keyspace}/{key}", "methods": ["GET", "HEAD", "PUT", "DELETE"],
     "query": ["r", "w", "sloppy", "ttl", "ttl_ms"], "context_header": "X-Gyre-Context",
     "write_headers": ["X-Gyre-Copies", "X-Gyre-Hints", "X-Gyre-Zones", "X-Gyre-Strict"]},
    {"path": "/v1/explain/{keyspace}/{key}", "methods": ["GET", "HEAD"]},
    {"path": "/v1/status", "methods": ["GET", "HEAD"]},
    {"path": "/v1/repair", "methods": ["POST"]},
    {"path": "/v1/cluster", "methods": ["GET", "HEAD"]},
    {"path": "/v1/cluster/stage", "methods": ["POST"]},
    {"path": "/v1/cluster/plan", "methods": ["GET", "HEAD"]},
    {"path": "/v1/cluster/commit", "methods": ["POST"]},
    {"path": "/v1/cluster/abort", "methods": ["POST"]},
    {"path": "/v1/cluster/drain", "methods": ["POST"]},
    {"path": "/v1/cluster/undrain", "methods": ["POST"]},
    {"path": "/v1/ring", "methods": ["GET", "HEAD"]},
    {"path": "/v1/keyspaces", "methods": ["GET", "HEAD"]},
    {"path": "/metrics", "methods": ["GET", "HEAD"]},
    {"path": "/livez", "methods": ["GET", "HEAD"]},
    {"path": "/readyz", "methods": ["GET", "HEAD"]}
  ]
}
)";

constexpr const char* kOverdueText =
    "this node is behind: the request waited for room for more than limits.unread and was not run; "
    "retry later, or send less at once";

// What operators say to the cluster.
struct ClusterPath {
  std::string_view path;
  const char* verb;  // Backend::ClusterCommand
  bool reads;        // GET and HEAD; else POST
};
constexpr ClusterPath kClusterPaths[] = {
    {"/v1/cluster", "status", true},           {"/v1/cluster/stage", "stage", false},
    {"/v1/cluster/plan", "plan", true},        {"/v1/cluster/commit", "commit", false},
    {"/v1/cluster/abort", "abort", false},     {"/v1/cluster/drain", "drain", false},
    {"/v1/cluster/undrain", "undrain", false},
};

const ClusterPath* FindClusterPath(std::string_view path) {
  for (const ClusterPath& each : kClusterPaths) {
    if (each.path == path) return &each;
  }
  return nullptr;
}

bool ReadsOnly(HttpMethod method) {
  return method != HttpMethod::kPut && method != HttpMethod::kDelete && method != HttpMethod::kPost;
}

HttpReply NotAllowed(std::string_view allow) {
  HttpReply reply = ErrorReply(405, "method_not_allowed",
                               "this method is not offered here; offered: " + std::string(allow));
  reply.headers.emplace_back("Allow", std::string(allow));
  return reply;
}

// Takes as long for a wrong guess as for a right one.
bool SamePassword(std::string_view given, std::string_view password) {
  unsigned difference = given.size() == password.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(password[i % password.size()]);
  }
  return difference == 0;
}

bool StartsWithIgnoringCase(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if ((text[i] | 0x20) != (prefix[i] | 0x20)) return false;
  }
  return true;
}

HttpLimits LimitsOf(const ServerConfig& config) {
  HttpLimits limits;
  limits.body_bytes_max = config.core.value_bytes_max;
  return limits;
}

}  // namespace

HttpSession::HttpSession(Connection& connection, Backend& backend)
    : connection_(connection), backend_(backend), parser_(LimitsOf(backend.config())) {}

std::size_t HttpSession::OnBytes(std::string_view bytes) {
  receiving_ = true;
  std::size_t used = 0;
  while (!ending_) {
    if (held_) {
      if (!TryStartHeld()) break;
      continue;
    }
    if (used == bytes.size() || connection_.OutputFull()) break;
    if (!request_begun_) request_begun_ = backend_.now().instant;
    const HttpParser::Step step = parser_.Feed(bytes.substr(used));
    used += step.used;
    if (step.progress == HttpParser::Progress::kDone) {
      request_begun_.reset();
      owes_continue_ = false;
      held_ = parser_.TakeRequest();
      continue;
    }
    if (step.progress == HttpParser::Progress::kFailed) {
      FailConnection(parser_.failure().status, parser_.failure().message);
      break;
    }
    if (step.progress == HttpParser::Progress::kExpectsContinue) {
      owes_continue_ = true;
      FlushReady();
    }
    break;
  }
  OnTick(backend_.now().instant);
  if (held_ && !paused_ && !ending_) {
    paused_ = true;
    connection_.PauseReading();
  }
  receiving_ = false;
  return ending_ ? bytes.size() : used;
}

void HttpSession::OnTick(Instant now) {
  if (ending_ || !request_begun_) return;
  if (now - *request_begun_ < backend_.config().http_request_timeout) return;
  FailConnection(408, "the request was not complete in time (limits.http_request)");
  if (!receiving_) connection_.ScheduleFlush();
}

void HttpSession::OnClosed() {
  closed_ = true;
  ending_ = true;
  if (room_ticket_) backend_.room_queue().Forget(*room_ticket_);
  room_ticket_.reset();
}

bool HttpSession::MayStart(const HttpRequest& request) const {
  if (slots_.empty()) return true;
  return slots_.size() < kPipelineMax && ReadsOnly(request.method) && slots_.back().reads_only;
}

bool HttpSession::HasRoom(const HttpRequest& request) {
  if (room_ticket_) return false;
  if (!std::string_view(request.target).starts_with(kKvPrefix)) return true;
  const bool large = request.body.size() >= kLargeValueBytes;
  if (large ? backend_.ValueRoom() > 0 : backend_.Room() > 0) return true;
  room_ticket_ = backend_.room_queue().Await(*this, large ? request.body.size() : 0);
  waits_since_ = backend_.now().instant;
  return false;
}

bool HttpSession::TryStartHeld() {
  if (!MayStart(*held_) || !HasRoom(*held_)) return false;
  StartHeld();
  return true;
}

void HttpSession::StartHeld() {
  HttpRequest request = std::move(*held_);
  held_.reset();
  Start(std::move(request));
}

void HttpSession::TakeTurn() {
  room_ticket_.reset();
  GYRE_CHECK(held_.has_value());
  const Duration unread_max = backend_.config().unread_max;
  if (unread_max.us == 0 || backend_.now().instant - waits_since_ <= unread_max) {
    StartHeld();
  } else {
    AnswerAtOnce(OpenSlot(*held_), ErrorReply({ErrorCode::kOverloaded, kOverdueText}));
    held_.reset();
  }
  GoOn();
}

HttpSession::Slot& HttpSession::OpenSlot(const HttpRequest& request) {
  Slot& slot = slots_.emplace_back();
  slot.framing = {request.method == HttpMethod::kHead, request.keep_alive, request.version};
  slot.reads_only = ReadsOnly(request.method);
  slot.started = backend_.now().instant;
  if (!request.keep_alive) ending_ = true;
  return slot;
}

void HttpSession::Start(HttpRequest request) {
  Slot& slot = OpenSlot(request);
  const std::optional<HttpTarget> target = SplitTarget(request.target);
  std::optional<HttpReply> reply =
      target ? AnswerHere(request, *target)
             : ErrorReply(400, "invalid_argument", "the request's target is not a path");
  if (!reply) {
    if (const ClusterPath* cluster = FindClusterPath(target->path)) {
      return AskCluster(cluster->verb, std::move(request.body));
    }
    const Now now = backend_.now();
    Result<KvCall> call =
        ParseKvCall(request, *target, *backend_.view(), backend_.config().core, now.wall);
    if (call) {
      const std::uint64_t tag = first_tag_ + slots_.size() - 1;
      ClientRequest client_request = std::move(call->request);
      slot.call = std::move(*call);
      ++in_flight_;
      backend_.Submit(std::move(client_request), this, tag);
      return;
    }
    reply = ErrorReply(call.error());
  }
  AnswerAtOnce(slot, std::move(*reply));
}

void HttpSession::AnswerAtOnce(Slot& slot, HttpReply&& reply) {
  slot.reply = std::move(reply);
  slot.ready = true;
  FlushReady();
}

std::optional<HttpReply> HttpSession::AnswerHere(const HttpRequest& request,
                                                 const HttpTarget& target) {
  const std::string_view path = target.path;
  const bool reads = request.method == HttpMethod::kGet || request.method == HttpMethod::kHead;
  // Probes come from orchestrators, which know no passwords.
  if (path == "/livez") return reads ? TextReply(200, "ok\n") : NotAllowed("GET, HEAD");
  if (path == "/readyz") {
    if (!reads) return NotAllowed("GET, HEAD");
    const std::string reason = NotReadyReason(backend_);
    return reason.empty() ? TextReply(200, "ok\n") : TextReply(503, reason + "\n");
  }
  if (std::optional<HttpReply> refused = CheckPassword(request)) return refused;
  if (path.starts_with(kKvPrefix)) {
    if (reads || request.method == HttpMethod::kPut || request.method == HttpMethod::kDelete) {
      return std::nullopt;
    }
    return NotAllowed("GET, HEAD, PUT, DELETE");
  }
  if (const ClusterPath* cluster = FindClusterPath(path)) {
    if (cluster->reads ? reads : request.method == HttpMethod::kPost) return std::nullopt;
    return NotAllowed(cluster->reads ? "GET, HEAD" : "POST");
  }
  const bool explain = path.starts_with(kExplainPrefix);
  const bool known = explain || path == "/" || path == "/metrics" || path == "/v1/ring" ||
                     path == "/v1/status" || path == "/v1/keyspaces" || path == "/v1/repair";
  if (!known) {
    return ErrorReply(404, "not_found", "there is nothing here; GET / lists what there is");
  }
  if (path == "/v1/repair") {
    if (request.method != HttpMethod::kPost) return NotAllowed("POST");
    backend_.HurryRepair();
    return TextReply(202, "comparing now\n");
  }
  if (!reads) return NotAllowed("GET, HEAD");
  if (explain) return std::nullopt;
  if (path == "/metrics") {
    HttpReply reply = TextReply(200, MetricsText(backend_.Stats(), backend_.config().node_name));
    reply.content_type = kMetricsContentType;
    return reply;
  }
  if (path == "/v1/ring") return JsonReply(200, RingJson(*backend_.view()));
  if (path == "/v1/status") return JsonReply(200, StatusJson(backend_));
  if (path == "/v1/keyspaces") return JsonReply(200, KeyspacesJson(*backend_.view()));
  return JsonReply(200, kIndex);
}

std::optional<HttpReply> HttpSession::CheckPassword(const HttpRequest& request) const {
  const std::string& password = backend_.config().password;
  if (password.empty()) return std::nullopt;
  constexpr std::string_view kBasic = "Basic ";
  constexpr std::string_view kBearer = "Bearer ";
  if (const std::string* header = request.Header("authorization")) {
    const std::string_view text = *header;
    std::string credentials;
    if (StartsWithIgnoringCase(text, kBearer) &&
        SamePassword(text.substr(kBearer.size()), password)) {
      return std::nullopt;
    }
    if (StartsWithIgnoringCase(text, kBasic) &&
        Base64Decode(text.substr(kBasic.size()), credentials)) {
      const std::size_t colon = credentials.find(':');
      if (colon != std::string::npos &&
          SamePassword(std::string_view(credentials).substr(colon + 1), password)) {
        return std::nullopt;
      }
    }
  }
  HttpReply reply = ErrorReply(401, "unauthorized",
                               "give the password by HTTP Basic (any user name) or as Bearer");
  reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"gyre\", charset=\"UTF-8\"");
  return reply;
}

void HttpSession::FailConnection(int status, std::string_view message) {
  ending_ = true;
  request_begun_.reset();
  Slot& slot = slots_.emplace_back();
  slot.framing.keep_alive = false;
  const std::string_view code = status == 408   ? "request_timeout"
                                : status == 413 ? "value_too_large"
                                : status == 431 ? "header_too_large"
                                : status == 501 ? "unsupported"
                                                : "invalid_argument";
  AnswerAtOnce(slot, ErrorReply(status, code, message));
}

// A session outlives its pending requests, so that the answer finds it, its connection closed or
// not.
void HttpSession::AskCluster(const char* verb, std::string body) {
  const std::uint64_t tag = first_tag_ + slots_.size() - 1;
  ++in_flight_;
  backend_.ClusterCommand(verb, std::move(body), [this, tag](Result<std::string> answer) {
    Slot& slot = SlotOf(tag);
    backend_.RecordLatency(Operation::kOther, backend_.now().instant - slot.started);
    Finish(slot, answer ? JsonReply(200, *answer + "\n") : ErrorReply(answer.error()));
  });
}

void HttpSession::OnResult(std::uint64_t tag, ClientResult&& result) {
  Slot& slot = SlotOf(tag);
  GYRE_CHECK(slot.call.has_value());
  const Now now = backend_.now();
  backend_.RecordLatency(slot.call->operation, now.instant - slot.started);
  HttpReply reply = RenderKvResult(*slot.call, result, *backend_.view(), now.wall);
  slot.call.reset();
  Finish(slot, std::move(reply));
}

HttpSession::Slot& HttpSession::SlotOf(std::uint64_t tag) {
  GYRE_CHECK(tag >= first_tag_ && tag - first_tag_ < slots_.size());
  return slots_[tag - first_tag_];
}

void HttpSession::Finish(Slot& slot, HttpReply&& reply) {
  GYRE_CHECK(!slot.ready);
  --in_flight_;
  slot.reply = std::move(reply);
  slot.ready = true;
  if (closed_) return;
  FlushReady();
  if (!receiving_) GoOn();  // else OnBytes goes on with what waits, and the loop flushes
}

void HttpSession::GoOn() {
  if (held_ && !ending_) TryStartHeld();
  if (paused_ && !held_) {
    paused_ = false;
    connection_.ResumeReading();
  }
  connection_.ScheduleFlush();
}

void HttpSession::FlushReady() {
  while (!slots_.empty() && slots_.front().ready) {
    const Slot& slot = slots_.front();
    AppendReply(connection_.out(), slot.reply, slot.framing, backend_.now().wall);
    const bool last = !slot.framing.keep_alive;
    slots_.pop_front();
    ++first_tag_;
    if (last) {
      ending_ = true;
      connection_.CloseAfterFlush();
      return;
    }
  }
  // Interim replies too are in the order of the requests.
  if (owes_continue_ && slots_.empty() && !ending_) {
    owes_continue_ = false;
    connection_.out().Append(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
  }
}

}  // namespace gyre
