#include "server/resp/resp_service.h"

#include <algorithm>

#include "core/config.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

RespLimits LimitsFor(const RespOptions& options) {
  RespLimits limits;
  // Room for a key or a context where values are smaller; the commands check what is a value.
  limits.bulk_bytes_max = std::max({options.value_bytes_max, kKeyBytesMax, 2 * kContextBytesMax});
  limits.bulk_bytes_hard_max = std::max(kValueBytesHardMax, limits.bulk_bytes_max);
  limits.command_bytes_max = limits.bulk_bytes_max + kValueBytesHardMax;
  return limits;
}

}  // namespace

RespService::RespService(Backend& backend, const AdminDocuments& documents, RespOptions options)
    : backend_(backend),
      documents_(documents),
      options_(std::move(options)),
      limits_(LimitsFor(options_)),
      overdue_text_("BUSY this node is behind: the command lay unread for more than " +
                    std::to_string(options_.unread_max.ms()) +
                    " ms and was not run; retry later, or send less at once"),
      prng_(options_.seed),
      next_id_(options_.client_id_first) {
  GYRE_CHECK(options_.in_flight_max > 0 && options_.scan_rows_max > 0);
}

RespService::~RespService() {
  for (const auto& [id, session] : sessions_) session->Abandon();
}

std::unique_ptr<ConnectionHandler> RespService::NewSession(Connection& connection) {
  return std::make_unique<RespSession>(*this, connection);
}

void RespService::OnTurnEnd() {
  if (const std::optional<Drain> drain = backend_.drain()) SendAway(*drain);
  if (!ring_waits_.empty()) AnswerRingWaits();
}

std::uint64_t RespService::ClientsToGo() const {
  const std::optional<Drain> drain = backend_.drain();
  if (!drain) return 0;
  return static_cast<std::uint64_t>(
      std::count_if(sessions_.begin(), sessions_.end(),
                    [&](const auto& each) { return each.second->opened() <= drain->began; }));
}

// What is in flight is answered first; nobody waits for a ring that may never come.
void RespService::SendAway(const Drain& drain) {
  if (backend_.now().instant < drain.ends) return;
  for (auto& [slot, wait] : ring_waits_) wait.until = drain.ends;
  if (!ring_waits_.empty()) ring_wait_ends_ = drain.ends;
  std::vector<RespSession*> going;
  for (const auto& [id, session] : sessions_) {
    if (session->opened() <= drain.began) going.push_back(session);
  }
  for (RespSession* session : going) session->CloseWhenAnswered();
}

std::uint64_t RespService::Register(RespSession* session) {
  const std::uint64_t id = next_id_;
  next_id_ += options_.client_id_step;
  sessions_.emplace(id, session);
  ++counters_.connections;
  ++counters_.connections_total;
  return id;
}

void RespService::Unregister(std::uint64_t id) {
  sessions_.erase(id);
  --counters_.connections;
  ring_waits_.erase(ring_waits_.lower_bound({id, 0}), ring_waits_.lower_bound({id + 1, 0}));
}

void RespService::AwaitRing(std::uint64_t id, std::uint64_t sequence, RingEpoch after,
                            Instant until) {
  GYRE_CHECK(HasRoomToAwaitRing());
  ring_waits_[{id, sequence}] = {after, until};
  ring_wait_ends_ = std::min(ring_wait_ends_, until);
}

void RespService::AnswerRingWaits() {
  const RingEpoch epoch = backend_.view()->ring.epoch();
  const Instant now = backend_.now().instant;
  if (epoch == epoch_answered_ && now < ring_wait_ends_) return;
  epoch_answered_ = epoch;
  ring_wait_ends_ = Instant::Max();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> due;
  for (const auto& [slot, wait] : ring_waits_) {
    if (epoch > wait.after || now >= wait.until) {
      due.push_back(slot);
    } else {
      ring_wait_ends_ = std::min(ring_wait_ends_, wait.until);
    }
  }
  if (due.empty()) return;
  const std::string ring = documents_.Ring(*backend_.view());  // once: a large ring takes its time
  // An answer may end its connection, which takes back what else that one waits for.
  for (const auto& slot : due) {
    if (ring_waits_.erase(slot) > 0) sessions_.at(slot.first)->AnswerRing(slot.second, ring);
  }
}

}  // namespace gyre
