// What operators say to the cluster, and what they are told: JSON in and out.
#include <nlohmann/json.hpp>
#include <utility>

#include "core/ring/claim.h"
#include "server/cluster_keeper.h"

namespace gyre {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kDrainSecondsMax = 3'600;

// Partitions that come to this node as a whole.
Json TransfersArray(const std::vector<TransferStats>& transfers) {
  Json json = Json::array();
  for (const TransferStats& each : transfers) {
    const auto left = each.bytes_left();
    const auto seconds_left = each.seconds_left();
    json.push_back({{"partition", each.partition.value},
                    {"from", each.from},
                    {"done_ratio", each.done_ratio},
                    {"rows", each.rows},
                    {"bytes", each.bytes},
                    {"bytes_left", left ? Json(*left) : Json()},
                    {"bytes_per_second", static_cast<std::uint64_t>(each.bytes_per_second())},
                    {"seconds_left", seconds_left ? Json(*seconds_left) : Json()}});
  }
  return json;
}

// What a stop would still cut off, as published last; null if no drain is on.
Json DrainJson(const ShardLoop& first, std::size_t shards) {
  if (!first.drain()) return nullptr;
  const NodeStats stats = first.Stats();
  std::uint64_t hints = 0;
  for (const HintDebt& debt : stats.owed) hints += debt.hints;
  const bool all = stats.shards_draining == shards;
  return {{"clients", stats.clients_to_go},
          {"requests", stats.requests_in_flight},
          {"hints", hints},
          {"done", all && stats.clients_to_go == 0 && stats.requests_in_flight == 0}};
}

// As it says itself; null if nothing was heard of it.
Json ProtocolOf(const MemberTable::Entry* heard) {
  if (heard == nullptr) return nullptr;
  const MemberDescription& fields = heard->description->fields();
  return {{"min", fields.protocol_min}, {"max", fields.protocol_max}};
}

Json ViolationsOf(const Ring& ring, int replicas) {
  const RingQuality quality = Assess(ring, replicas);
  return {{"nodes", quality.nodes.found},
          {"zones", quality.zones.found},
          {"regions", quality.regions.found}};
}

}  // namespace

void ClusterKeeper::OnCommand(std::string verb, std::string body, Done done) {
  if (verb == "status") return done(StatusJson());
  if (verb == "plan") return done(PlanJson());
  if (verb == "stage") {
    const Status staged = Stage(body);
    return done(staged ? PlanJson() : Result<std::string>(Fail(staged.error())));
  }
  if (verb == "drain") {
    const Status begun = BeginDrain(body);
    return done(begun ? StatusJson() : Result<std::string>(Fail(begun.error())));
  }
  if (verb == "undrain") {
    SetDrain(std::nullopt);
    return done(StatusJson());
  }
  if (verb == "abort") {
    staged_ = {};
    staged_texts_.clear();
    return done(std::string("{}"));
  }
  if (verb != "commit") return done(Fail(ErrorCode::kUnsupported, "no such command: " + verb));
  if (staged_texts_.empty()) {
    return done(Fail(ErrorCode::kInvalidArgument,
                     "nothing is staged on this node; see `gyre cluster leave`, `join`, `replace`, "
                     "`remove`, `weight` and `split`"));
  }
  settled_ = 0;
  TellVersions();
  Order(std::exchange(staged_, {}), std::move(done));
  staged_texts_.clear();
}

Status ClusterKeeper::BeginDrain(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto seconds = json.is_object() ? json.find("seconds") : json.end();
  if (!json.is_object() || seconds == json.end() || !seconds->is_number_unsigned() ||
      seconds->get<std::uint64_t>() > kDrainSecondsMax) {
    return Fail(ErrorCode::kInvalidArgument, "seconds: a whole number from 0 to 3600");
  }
  SetDrain(Drain{now(), now() + Duration::Seconds(seconds->get<std::int64_t>())});
  return {};
}

// Each shard has a clock of its own, read once a turn: who is connected is asked by the same one.
void ClusterKeeper::SetDrain(const std::optional<Drain>& drain) {
  options_.log->Write(LogLevel::kInfo, drain ? "draining" : "not_draining",
                      drain ? "clients are to go elsewhere" : "clients are served again", {});
  for (ShardLoop* loop : options_.loops) {
    const auto change = [loop, drain] { loop->SetDrain(drain); };
    loop == &first() ? change() : loop->reactor().Post(change);
  }
}

Result<NodeId> ClusterKeeper::FindByName(const std::string& name) const {
  const Member* member = steward_.layout().FindMember(NodeIdOf(name));
  if (member != nullptr && member->name == name) return member->id;
  return Fail(ErrorCode::kInvalidArgument, "no member is named '" + name + "'");
}

Status ClusterKeeper::Stage(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* field) {
    const auto it = json.is_object() ? json.find(field) : json.end();
    return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const std::string change = text("change");
  const std::string node = text("node");
  ClusterChange staged = staged_;
  std::string what = change + " " + node;
  if (change == "join" || change == "replace") {
    const std::string name = change == "join" ? node : text("by");
    const auto waiting = waiting_.find(NodeIdOf(name));
    if (waiting == waiting_.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "no node named '" + name + "' has asked to join; start it with --join");
    }
    if (change == "join") {
      staged.members.joins.push_back(waiting->second.member);
    } else {
      const Result<NodeId> old = FindByName(node);
      if (!old) return Fail(old.error());
      staged.members.replacements.push_back({*old, waiting->second.member});
      const auto dead = json.find("dead");
      if (dead != json.end() && !dead->is_boolean()) {
        return Fail(ErrorCode::kInvalidArgument, "dead: true or false");
      }
      if (dead != json.end() && dead->get<bool>()) staged.removed.push_back(*old);
      what += " by " + name;
    }
  } else if (change == "leave" || change == "remove") {
    const Result<NodeId> id = FindByName(node);
    if (!id) return Fail(id.error());
    staged.members.leaves.push_back(*id);
    if (change == "remove") staged.removed.push_back(*id);
  } else if (change == "weight") {
    const Result<NodeId> id = FindByName(node);
    if (!id) return Fail(id.error());
    const auto weight = json.find("weight");
    if (weight == json.end() || !weight->is_number_unsigned() ||
        weight->get<std::uint64_t>() > kWeightMax) {
      return Fail(ErrorCode::kInvalidArgument, "weight: a whole number from 1 to 10000");
    }
    staged.members.weights.push_back({*id, weight->get<std::uint32_t>()});
  } else if (change == "split") {
    staged.partition_bits = steward_.layout().ring().partition_bits() + 1;
    what = change;
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                "change: one of join, leave, replace, remove, weight, split");
  }
  TellVersions();
  const Result<std::optional<Layout>> after = steward_.After(steward_.layout(), staged);
  if (!after) return Fail(after.error());
  if (!*after) return Fail(ErrorCode::kInvalidArgument, "that is as it is already");
  staged_ = std::move(staged);
  staged_texts_.push_back(std::move(what));
  return {};
}

Result<std::string> ClusterKeeper::PlanJson() const {
  const Layout& layout = steward_.layout();
  const Result<std::optional<Layout>> after = steward_.After(layout, staged_);
  if (!after) return Fail(after.error());
  const Ring& ring = *after ? (*after)->ring() : layout.ring();
  const bool split = ring.partition_count() != layout.ring().partition_count();
  // A split moves nothing, and is shown as what it makes.
  const Movement movement = MovementOf(split ? ring : layout.ring(), ring, layout.replicas());
  Json nodes = Json::array();
  for (const NodeMovement& each : movement.nodes) {
    const Member* member = ring.FindMember(each.node);
    if (member == nullptr) member = layout.ring().FindMember(each.node);
    nodes.push_back({{"name", member->name},
                     {"partitions_before", each.partitions_before},
                     {"partitions_after", each.partitions_after},
                     {"copies_before", each.copies_before},
                     {"copies_after", each.copies_after},
                     {"transfers", each.transfers}});
  }
  return Json({{"number", layout.number().value},
               {"staged", staged_texts_},
               {"members_before", layout.ring().members().size()},
               {"members_after", ring.members().size()},
               {"partition_count_before", layout.ring().partition_count()},
               {"partition_count_after", ring.partition_count()},
               {"transfers", movement.transfers},
               {"transfers_least", movement.transfers_least},
               {"partitions_moved", movement.partitions},
               {"nodes", nodes},
               {"violations_before", ViolationsOf(layout.ring(), layout.replicas())},
               {"violations_after", ViolationsOf(ring, layout.replicas())}})
      .dump();
}

Result<std::string> ClusterKeeper::StatusJson() const {
  const Layout& layout = steward_.layout();
  const NodeId self = NodeIdOf(options_.config->node_name);
  std::map<NodeId, std::size_t> partitions, copies;
  for (std::uint32_t p = 0; p < layout.ring().partition_count(); ++p) {
    ++partitions[layout.ring().OwnerOf(PartitionId(p))];
    for (const NodeId owner : layout.ring().OwnersOf(PartitionId(p), layout.replicas())) {
      ++copies[owner];
    }
  }
  Json members = Json::array();
  const auto add = [&](const Member& member, const char* state) {
    const MemberTable::Entry* const heard = gossip_.Find(member.id);
    // As it says itself, or else as it was let in.
    const auto now_at = [&](std::string MemberDescription::*field, const std::string& before) {
      const bool told = heard != nullptr && !(heard->description->fields().*field).empty();
      return told ? heard->description->fields().*field : before;
    };
    const auto count = [&](const std::map<NodeId, std::size_t>& of) {
      const auto it = of.find(member.id);
      return it == of.end() ? std::size_t{0} : it->second;
    };
    members.push_back({{"name", member.name},
                       {"id", member.id.value},
                       {"state", state},
                       {"life", heard != nullptr ? std::string(LifeName(heard->life)) : "unknown"},
                       {"linked", member.id == self || linked_.contains(member.id)},
                       {"incarnation", heard != nullptr ? heard->incarnation : 0},
                       {"address", now_at(&MemberDescription::peer_address, member.address)},
                       {"resp", now_at(&MemberDescription::resp_address, member.resp)},
                       {"http", now_at(&MemberDescription::http_address, member.http)},
                       {"protocol", ProtocolOf(heard)},
                       {"zone", member.zone},
                       {"region", member.region},
                       {"weight", member.weight},
                       {"partitions", count(partitions)},
                       {"copies", count(copies)},
                       {"self", member.id == self}});
  };
  for (const Member& member : layout.ring().members()) add(member, "member");
  for (const Member& member : layout.leaving()) add(member, "leaving");
  Json waiting = Json::array();
  for (const auto& [id, each] : waiting_) {
    if (layout.FindMember(id) != nullptr) continue;
    waiting.push_back({{"name", each.member.name},
                       {"address", each.member.address},
                       {"since_s", (now() - each.since).us / 1'000'000}});
  }
  const NodeStats stats = first().Stats();
  return Json({{"cluster", options_.config->cluster_id},
               {"lineage", std::to_string(layout.lineage().generation) + "." +
                               std::to_string(layout.lineage().founding)},
               {"number", layout.number().value},
               {"protocol",
                {{"version", steward_.ClusterVersion()}, {"needed", VersionNeededBy(layout)}}},
               {"digest", layout.Digest()},
               {"members", members},
               {"moving",
                {{"partitions", layout.moves().count()},
                 {"settled_since_commit", settled_},
                 {"arrived", steward_.arrivals_known()}}},
               {"transfers", TransfersArray(stats.transfers)},
               {"transfers_waiting", stats.transfers_waiting},
               {"staged", staged_texts_},
               {"drain", DrainJson(first(), options_.loops.size())},
               {"waiting", waiting}})
      .dump();
}

}  // namespace gyre
