#include "client/resp_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/scripted_node.h"

namespace gyre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RespClientOptions To(const ScriptedNode& node) {
  RespClientOptions options;
  options.port = node.port();
  return options;
}

// Goal: the connection is greeted in RESP3, with the password, in the keyspace asked for.
TEST(RespClientTest, GreetsAuthenticatesAndChoosesTheKeyspace) {
  std::vector<ScriptedNode::Command> seen;
  {
    ScriptedNode node([&](const ScriptedNode::Command& command) {
      seen.push_back(command);
      return std::string("+OK\r\n");
    });
    RespClientOptions options = To(node);
    options.password = "pw";
    options.keyspace = "carts";
    Result<RespClient> client = RespClient::Connect(options);
    ASSERT_TRUE(client);
    EXPECT_EQ(client->Call({"PING"})->text, "OK");
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre("HELLO", "3", "AUTH", "default", "pw"),
                                ElementsAre("KV.USE", "carts"), ElementsAre("PING")));
}

// Goal: large values of any bytes pass both ways.
TEST(RespClientTest, LargeBinaryValuesPass) {
  ScriptedNode node([](const ScriptedNode::Command& command) {
    return command[0] == "ECHO" ? ScriptedNode::Bulk(command[1]) : std::string("+OK\r\n");
  });
  std::string value(9 << 20, '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 7 + i / 255);
  Result<RespClient> client = RespClient::Connect(To(node));
  ASSERT_TRUE(client);
  EXPECT_TRUE(client->Call({"ECHO", value})->text == value);
}

// Goal: nobody there, or refused at the door, is surely not applied; cut off behind it is unknown.
TEST(RespClientTest, TellsUnavailableFromUnknown) {
  RespClientOptions nobody;
  {
    ScriptedNode gone([](const ScriptedNode::Command&) { return std::string(); });
    nobody = To(gone);
    EXPECT_EQ(RespClient::Connect(nobody).error().code, ErrorCode::kUnavailable);
  }
  const Result<RespClient> refused = RespClient::Connect(nobody);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("cannot reach a node at 127.0.0.1:"));

  ScriptedNode node([](const ScriptedNode::Command& command) {
    return std::string(command[0] == "HELLO" ? "+OK\r\n" : "");
  });
  Result<RespClient> client = RespClient::Connect(To(node));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->Call({"SET", "k", "v"}).error().code, ErrorCode::kOutcomeUnknown);
}

// Goal: a node that answers nothing is given up in time.
TEST(RespClientTest, GivesUpInTime) {
  ScriptedNode node([](const ScriptedNode::Command& command) {
    return std::string(command[0] == "HELLO" ? "+OK\r\n" : "$5\r\nab");  // never the rest
  });
  RespClientOptions options = To(node);
  options.timeout = Duration::Millis(300);
  Result<RespClient> client = RespClient::Connect(options);
  ASSERT_TRUE(client);
  const Result<RespValue> reply = client->Call({"GET", "k"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(reply.error().message, HasSubstr("in time"));
}

// Goal: a wrong password is the user's to mend, not "unavailable".
TEST(RespClientTest, RefusalAtTheDoorKeepsTheNodesWords) {
  ScriptedNode node([](const ScriptedNode::Command&) {
    return std::string("-WRONGPASS invalid username-password pair\r\n");
  });
  const Result<RespClient> client = RespClient::Connect(To(node));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(client.error().message, HasSubstr("WRONGPASS"));
}

}  // namespace
}  // namespace gyre
