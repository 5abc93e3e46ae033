#include "server/self_description.h"

#include <gtest/gtest.h>

#include <string>

namespace gyre {
namespace {

ServerConfig ConfigOf(const char* host, const char* peer_host) {
  ServerConfig config;
  config.node_name = "a";
  config.resp_listen = {host, 0};
  config.http_listen = {host, 7380};
  config.members = {{"a", {peer_host, 7381}, 2, "z", "r"}, {"b", {"h", 2}, 1, "", ""}};
  GYRE_CHECK(FinishConfig(config).has_value());
  return config;
}

MemberDescription Described(const ServerConfig& config) {
  return (*DescribeSelf(config, *FoundLayout(config), {9, 7379, 7380}))->fields();
}

// Goal: others are told what they can dial, and never "everywhere".
TEST(SelfDescriptionTest, TellsWhatCanBeDialed) {
  const MemberDescription plain = Described(ConfigOf("10.0.0.5", "10.0.0.1"));
  EXPECT_EQ(plain.name, "a");
  EXPECT_EQ(plain.peer_address, "10.0.0.1:7381");
  EXPECT_EQ(plain.resp_address, "10.0.0.5:7379");
  EXPECT_EQ(plain.http_address, "10.0.0.5:7380");
  EXPECT_EQ(plain.zone, "z");
  EXPECT_EQ(plain.region, "r");
  EXPECT_EQ(plain.weight, 2u);

  const MemberDescription any_client = Described(ConfigOf("0.0.0.0", "10.0.0.1"));
  EXPECT_EQ(any_client.resp_address, "10.0.0.1:7379");
  const MemberDescription anywhere = Described(ConfigOf("::", "0.0.0.0"));
  EXPECT_EQ(anywhere.peer_address, "");
  EXPECT_EQ(anywhere.resp_address, "");
}

// Goal: an operator's weight is the layout's; a port that the system picked is the one that is
// told.
TEST(SelfDescriptionTest, TellsWhatHoldsNow) {
  ServerConfig config = ConfigOf("10.0.0.5", "10.0.0.1");
  const Layout layout = *FoundLayout(config);
  config.members[0].weight = 7;
  config.members[0].address.port = 0;
  const MemberDescription told = (*DescribeSelf(config, layout, {9, 1, 2}))->fields();
  EXPECT_EQ(told.weight, 2u);
  EXPECT_EQ(told.peer_address, "10.0.0.1:9");
}

TEST(SelfDescriptionTest, WhatIsTooLongIsRefused) {
  ServerConfig config = ConfigOf("10.0.0.5", "10.0.0.1");
  config.members[0].zone = std::string(65, 'z');
  const auto described = DescribeSelf(config, *FoundLayout(ConfigOf("h", "h")), {});
  ASSERT_FALSE(described.has_value());
  EXPECT_EQ(described.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace gyre
