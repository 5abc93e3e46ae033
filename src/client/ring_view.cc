#include "client/ring_view.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/config.h"

namespace gyre {
namespace {

using Json = nlohmann::json;

tl::unexpected<Error> Strange(const std::string& what) {
  return Fail(ErrorCode::kUnsupported, "the node does not answer as Gyre does: " + what);
}

Result<std::string> Text(const Json& json, const char* field) {
  const auto it = json.find(field);
  if (it == json.end() || !it->is_string()) return Strange(std::string("no text ") + field);
  return it->get<std::string>();
}

Result<std::uint64_t> Number(const Json& json, const char* field) {
  const auto it = json.find(field);
  if (it == json.end() || !it->is_number_unsigned()) {
    return Strange(std::string("no number ") + field);
  }
  return it->get<std::uint64_t>();
}

Result<const Json*> Array(const Json& json, const char* field) {
  const auto it = json.find(field);
  if (it == json.end() || !it->is_array()) return Strange(std::string("no list ") + field);
  return &*it;
}

Result<Json> ParseObject(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Strange("no JSON object");
  return json;
}

Result<Member> ParseMember(const Json& json) {
  if (!json.is_object()) return Strange("a member is no object");
  Result<std::string> name = Text(json, "name");
  if (!name) return Fail(std::move(name.error()));
  Result<std::string> id = Text(json, "id");
  if (!id) return Fail(std::move(id.error()));
  Result<std::string> zone = Text(json, "zone");
  if (!zone) return Fail(std::move(zone.error()));
  Result<std::string> region = Text(json, "region");
  if (!region) return Fail(std::move(region.error()));

  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(id->data(), id->data() + id->size(), number, 16);
  if (error != std::errc() || end != id->data() + id->size()) return Strange("a bad node id");
  Member member;
  member.id = NodeId(number);
  member.name = std::move(*name);
  member.zone = std::move(*zone);
  member.region = std::move(*region);
  if (json.contains("resp")) {
    Result<std::string> resp = Text(json, "resp");
    if (!resp) return Fail(std::move(resp.error()));
    member.resp = std::move(*resp);
  }
  return member;
}

// How much of a partition's list the owners are taken from.
int ListLengthOf(const Copies& copies) {
  return copies.regions.empty() ? copies.replicas : static_cast<int>(kReplicasMax);
}

// Of a keyspace; none if it does not tell copies by region.
Result<std::vector<RegionCopies>> ParseRegions(const Json& keyspace) {
  std::vector<RegionCopies> regions;
  const auto by_region = keyspace.find("n_by_region");
  if (by_region == keyspace.end()) return regions;
  if (!by_region->is_object() || by_region->size() > kRegionsMax) {
    return Strange("impossible copies of regions");
  }
  for (const auto& [region, n] : by_region->items()) {
    if (!n.is_number_unsigned() || n.get<std::uint64_t>() > kReplicasMax) {
      return Strange("an impossible N of a region");
    }
    regions.push_back({region, n.get<int>()});
  }
  return regions;
}

}  // namespace

Result<NodeFacts> ParseNodeFacts(std::string_view status_json, std::string_view keyspace) {
  const Result<Json> json = ParseObject(status_json);
  if (!json) return Fail(json.error());
  Result<std::string> name = Text(*json, "node");
  if (!name) return Fail(std::move(name.error()));
  Result<std::string> cluster = Text(*json, "cluster");
  if (!cluster) return Fail(std::move(cluster.error()));
  const Result<std::uint64_t> epoch = Number(*json, "ring_epoch");
  if (!epoch) return Fail(epoch.error());
  const Result<std::uint64_t> nodes = Number(*json, "nodes");
  if (!nodes) return Fail(nodes.error());
  const Result<const Json*> keyspaces = Array(*json, "keyspaces");
  if (!keyspaces) return Fail(keyspaces.error());
  if (name->empty()) return Strange("it has no name");

  const std::string_view wanted = keyspace.empty() ? std::string_view("default") : keyspace;
  for (const Json& entry : **keyspaces) {
    if (!entry.is_object()) return Strange("a keyspace is no object");
    const Result<std::string> entry_name = Text(entry, "name");
    if (!entry_name) return Fail(entry_name.error());
    if (*entry_name != wanted) continue;
    const Result<std::uint64_t> n = Number(entry, "n");
    if (!n) return Fail(n.error());
    if (*n < 1 || *n > kReplicasMax) return Strange("an impossible N");
    Result<std::vector<RegionCopies>> regions = ParseRegions(entry);
    if (!regions) return Fail(std::move(regions.error()));
    return NodeFacts{std::move(*name),
                     std::move(*cluster),
                     {*epoch, *nodes, {static_cast<int>(*n), std::move(*regions)}}};
  }
  return Fail(ErrorCode::kInvalidArgument,
              "there is no keyspace '" + std::string(wanted.substr(0, 128)) + "'");
}

Result<RingView> RingView::Parse(std::string_view ring_json, Copies copies) {
  const Result<Json> json = ParseObject(ring_json);
  if (!json) return Fail(json.error());
  const Result<std::uint64_t> epoch = Number(*json, "epoch");
  if (!epoch) return Fail(epoch.error());
  const Result<std::string> partitioner_name = Text(*json, "partitioner");
  if (!partitioner_name) return Fail(partitioner_name.error());
  const Result<PartitionerKind> partitioner = ParsePartitioner(*partitioner_name);
  if (!partitioner) return Strange(partitioner.error().message);
  const Result<const Json*> members_json = Array(*json, "members");
  if (!members_json) return Fail(members_json.error());
  const Result<const Json*> owners_json = Array(*json, "owners");
  if (!owners_json) return Fail(owners_json.error());

  std::vector<Member> members;
  std::map<std::string, NodeId> ids;
  for (const Json& entry : **members_json) {
    Result<Member> member = ParseMember(entry);
    if (!member) return Fail(std::move(member.error()));
    ids.emplace(member->name, member->id);
    members.push_back(std::move(*member));
  }
  std::vector<NodeId> owners;
  for (const Json& entry : **owners_json) {
    if (!entry.is_string()) return Strange("an owner is no name");
    const auto id = ids.find(entry.get_ref<const std::string&>());
    if (id == ids.end()) return Strange("an owner is no member");
    owners.push_back(id->second);
  }
  Result<Ring> ring =
      Ring::Create(RingEpoch{*epoch}, *partitioner, std::move(members), std::move(owners));
  if (!ring) return Strange(ring.error().message);
  ring->PrepareOwners(ListLengthOf(copies));
  return RingView(std::move(*ring), std::move(copies));
}

std::vector<const Member*> RingView::OwnersOf(PartitionId partition) const {
  const Ring::Owners list = ring_.OwnersOf(partition, ListLengthOf(mark_.copies));
  std::vector<const Member*> owners;
  TakeOfRegions(
      {list.begin(), list.end()}, mark_.copies.regions,
      [&](NodeId node) { return &ring_.FindMember(node)->region; },
      [&](NodeId node) { owners.push_back(ring_.FindMember(node)); });
  if (!owners.empty()) return owners;
  for (const NodeId node : list) {
    if (owners.size() == static_cast<std::size_t>(mark_.copies.replicas)) break;
    owners.push_back(ring_.FindMember(node));
  }
  return owners;
}

std::vector<std::string_view> RingView::BestFor(std::string_view key, std::string_view home) const {
  const std::vector<const Member*> owners = OwnersOf(ring_.PartitionOf(ring_.TokenOf(key)));
  std::vector<std::string_view> names;
  const auto owns = [&](const Member& member) {
    return std::find(owners.begin(), owners.end(), &member) != owners.end();
  };
  for (const Member* owner : owners) {
    if (home.empty() || owner->region == home) names.push_back(owner->name);
  }
  if (home.empty()) return names;
  for (const Member& member : ring_.members()) {
    if (member.region == home && !owns(member)) names.push_back(member.name);
  }
  for (const Member* owner : owners) {
    if (owner->region != home) names.push_back(owner->name);
  }
  return names;
}

bool RingView::OutdatedBy(const RingMark& mark) const {
  if (mark.epoch != mark_.epoch) return mark.epoch > mark_.epoch;
  // A static list has one epoch for ever, also if its nodes are all started anew with another one.
  return mark.nodes != mark_.nodes || mark.copies != mark_.copies;
}

}  // namespace gyre
