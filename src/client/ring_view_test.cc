#include "client/ring_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace gyre {
namespace {

using testing::ElementsAre;
using Json = nlohmann::json;

Json Status() {
  return {{"node", "n1"},
          {"cluster", "shop"},
          {"ring_epoch", 1},
          {"nodes", 3},
          {"keyspaces", {{{"name", "carts"}, {"n", 2}}, {{"name", "default"}, {"n", 3}}}}};
}

NodeFacts Facts() { return ParseNodeFacts(Status().dump(), "").value(); }

// As the server writes it (admin_json.cc).
Json RingOf(const Ring& ring) {
  Json members = Json::array();
  for (const Member& member : ring.members()) {
    char id[16];
    std::snprintf(id, sizeof id, "%06x", member.id.value);
    members.push_back({{"name", member.name},
                       {"id", id},
                       {"zone", member.zone},
                       {"region", member.region},
                       {"resp", member.resp},
                       {"weight", member.weight}});
  }
  Json owners = Json::array();
  for (const NodeId owner : ring.owners()) owners.push_back(ring.FindMember(owner)->name);
  return {{"epoch", ring.epoch().value},
          {"partitioner", std::string(PartitionerName(ring.partitioner()))},
          {"partition_count", ring.partition_count()},
          {"members", members},
          {"owners", owners}};
}

Ring ThreeNodes(PartitionerKind partitioner) {
  const std::vector<Member> members = {
      {NodeId{1}, "n1", 1, "a", ""}, {NodeId{2}, "n2", 1, "a", ""}, {NodeId{3}, "n3", 1, "b", ""}};
  return Ring::Create(RingEpoch{1}, partitioner, members,
                      {NodeId{1}, NodeId{2}, NodeId{3}, NodeId{1}})
      .value();
}

// Goal: the client names the same owners, in the same order, as the nodes do (paper 4.3).
TEST(RingViewTest, OwnersAreThoseOfTheNodes) {
  for (const PartitionerKind kind : {PartitionerKind::kMd5, PartitionerKind::kXxh3}) {
    const Ring ring = ThreeNodes(kind);
    const RingView view = RingView::Parse(RingOf(ring).dump(), {.replicas = 2}).value();
    for (int i = 0; i < 100; ++i) {
      const std::string key = "key" + std::to_string(i);
      const PreferenceList list =
          ring.PreferenceListOf(ring.PartitionOf(ring.TokenOf(key)), /*replicas=*/2, 0);
      EXPECT_THAT(view.BestFor(key), ElementsAre(ring.FindMember(list.owners[0])->name,
                                                 ring.FindMember(list.owners[1])->name));
    }
  }
}

// Goal: with copies per region the owners are the first of each region, and with a home region its
// nodes come first, also those that own nothing: a local_quorum is that of the node asked.
TEST(RingViewTest, HomeComesFirst) {
  std::vector<Member> members;
  std::vector<NodeId> owners;
  for (std::uint32_t i = 1; i <= 6; ++i) {
    Member member{NodeId{i}, "n" + std::to_string(i), 1, "z" + std::to_string(i), ""};
    member.region = i % 2 == 1 ? "eu" : "us";
    members.push_back(member);
  }
  for (std::uint32_t i = 0; i < 8; ++i) owners.push_back(NodeId{i % 6 + 1});
  const Ring ring = Ring::Create(RingEpoch{1}, PartitionerKind::kMd5, members, owners).value();
  Json status = Status();
  status["keyspaces"][1] = {{"name", "default"}, {"n", 3}, {"n_by_region", {{"eu", 2}, {"us", 1}}}};
  const NodeFacts facts = ParseNodeFacts(status.dump(), "").value();
  const RingView view = RingView::Parse(RingOf(ring).dump(), facts.ring.copies).value();
  const auto region_of = [&](std::string_view name) {
    return (name[1] - '0') % 2 == 1 ? "eu" : "us";
  };
  for (int i = 0; i < 50; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::vector<std::string_view> all = view.BestFor(key);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(
        std::count_if(all.begin(), all.end(),
                      [&](std::string_view name) { return region_of(name) == std::string("eu"); }),
        2);
    const std::vector<std::string_view> us = view.BestFor(key, "us");
    ASSERT_EQ(us.size(), 5u);  // the three there, the owner among them first, and the others' two
    EXPECT_NE(std::find(all.begin(), all.end(), us[0]), all.end());
    for (std::size_t at = 0; at < us.size(); ++at) {
      EXPECT_STREQ(region_of(us[at]), at < 3 ? "us" : "eu") << at;
    }
    EXPECT_THAT(view.BestFor(key, "asia"), testing::UnorderedElementsAreArray(all));
  }
  EXPECT_TRUE(view.OutdatedBy({1, 6, {.replicas = 3}}));
  status["keyspaces"][1]["n_by_region"]["eu"] = "many";
  EXPECT_FALSE(ParseNodeFacts(status.dump(), ""));
}

// Goal: the client learns where members answer; a node of before, which does not tell, is
// understood.
TEST(RingViewTest, MembersTellTheirAddresses) {
  Json ring = RingOf(ThreeNodes(PartitionerKind::kMd5));
  ring["members"][0]["resp"] = "db1:7379";
  ring["members"][1].erase("resp");
  const RingView view = RingView::Parse(ring.dump(), {.replicas = 3}).value();
  EXPECT_EQ(view.members()[0].resp, "db1:7379");
  EXPECT_EQ(view.members()[1].resp, "");
}

// Goal: N is that of the keyspace in use; one that does not exist is the user's mistake.
TEST(RingViewTest, FactsAreOfTheKeyspace) {
  EXPECT_EQ(Facts().name, "n1");
  EXPECT_EQ(Facts().cluster, "shop");
  EXPECT_EQ(Facts().ring.copies.replicas, 3);
  EXPECT_EQ(ParseNodeFacts(Status().dump(), "carts")->ring.copies.replicas, 2);
  EXPECT_EQ(ParseNodeFacts(Status().dump(), "none").error().code, ErrorCode::kInvalidArgument);
}

// Goal: a later ring replaces what is known, one that a lagging node tells does not.
TEST(RingViewTest, OnlyALaterRingOutdates) {
  Json ring = RingOf(ThreeNodes(PartitionerKind::kMd5));
  ring["epoch"] = 5;
  const RingView view = RingView::Parse(ring.dump(), {.replicas = 3}).value();
  RingMark mark{5, 3, {.replicas = 3}};
  EXPECT_FALSE(view.OutdatedBy(mark));
  mark.epoch = 6;
  EXPECT_TRUE(view.OutdatedBy(mark));
  mark.epoch = 4;
  mark.nodes = 7;
  EXPECT_FALSE(view.OutdatedBy(mark));
  mark.epoch = 5;  // a static list that has grown has the same epoch
  EXPECT_TRUE(view.OutdatedBy(mark));
  EXPECT_TRUE(view.OutdatedBy({5, 3, {.replicas = 2}}));
}

// Goal: answers of no Gyre, or of a later one, are errors: whatever field is missing or strange.
TEST(RingViewTest, StrangeJsonIsAnError) {
  for (const char* text : {"", "x", "[]", "null", "3", "{", "{}", "\xff\xfe"}) {
    EXPECT_FALSE(ParseNodeFacts(text, "")) << text;
    EXPECT_FALSE(RingView::Parse(text, {.replicas = 3})) << text;
  }
  const Json status = Status();
  const Json ring = RingOf(ThreeNodes(PartitionerKind::kMd5));
  const std::vector<Json> strange = {
      nullptr, -1, 1.5, true, "x", Json::array({1}), Json::object(), Json::array({"?"})};
  for (const auto& [field, value] : status.items()) {
    Json without = status;
    without.erase(field);
    EXPECT_FALSE(ParseNodeFacts(without.dump(), "")) << field;
    for (const Json& other : strange) {
      if (other.type() == value.type() && value.is_string()) continue;
      Json changed = status;
      changed[field] = other;
      EXPECT_FALSE(ParseNodeFacts(changed.dump(), "")) << changed;
    }
  }
  for (const char* field : {"epoch", "partitioner", "members", "owners"}) {
    Json without = ring;
    without.erase(field);
    EXPECT_FALSE(RingView::Parse(without.dump(), {.replicas = 3})) << field;
    for (const Json& other : strange) {
      Json changed = ring;
      changed[field] = other;
      EXPECT_FALSE(RingView::Parse(changed.dump(), {.replicas = 3})) << changed;
    }
  }
  for (const char* field : {"name", "id", "zone", "region", "resp"}) {
    Json changed = ring;
    changed["members"][1][field] = 7;
    EXPECT_FALSE(RingView::Parse(changed.dump(), {.replicas = 3})) << changed;
  }
  Json three_partitions = ring;
  three_partitions["owners"].erase(0);
  EXPECT_FALSE(RingView::Parse(three_partitions.dump(), {.replicas = 3}));
}

}  // namespace
}  // namespace gyre
