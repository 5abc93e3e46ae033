#include "server/http/http_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "server/http/fake_backend.h"

namespace gyre {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class FakeConnection final : public Connection {
 public:
  OutputBuffer& out() override { return out_; }
  void ScheduleFlush() override { ++flushes; }
  void CloseAfterFlush() override { closing = true; }
  void PauseReading() override { paused = true; }
  void ResumeReading() override {
    paused = false;
    resumed = true;
  }
  std::string_view peer_address() const override { return "test:1"; }
  int fd() const override { return -1; }
  bool OutputFull() const override { return output_full; }

  // Everything written since the last call.
  std::string Take() {
    std::string text;
    std::string_view pieces[16];
    while (const std::size_t count = out_.Peek(pieces, 16)) {
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < count; ++i) {
        text += pieces[i];
        bytes += pieces[i].size();
      }
      out_.Consume(bytes);
    }
    return text;
  }

  bool closing = false, paused = false, resumed = false, output_full = false;
  int flushes = 0;

 private:
  OutputBuffer out_;
};

struct Reply {
  int status = 0;
  std::string head;
  std::string body;

  std::string Header(const std::string& name) const {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

// Splits what a session wrote into replies by their Content-Length.
std::vector<Reply> Split(std::string_view text, bool head_only = false) {
  std::vector<Reply> replies;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      ADD_FAILURE() << "no end of header in: " << text;
      break;
    }
    Reply reply;
    reply.head = text.substr(0, end + 2);
    reply.status = std::stoi(reply.head.substr(9, 3));
    text.remove_prefix(end + 4);
    const std::string length = reply.Header("Content-Length");
    const std::size_t size = length.empty() || head_only ? 0 : std::stoul(length);
    reply.body = text.substr(0, size);
    EXPECT_EQ(reply.body.size(), size);
    text.remove_prefix(std::min(size, text.size()));
    replies.push_back(std::move(reply));
  }
  return replies;
}

class HttpSessionTest : public testing::Test {
 protected:
  // Presents `bytes` as the loop would; what is not consumed is kept for the next call.
  std::string Send(std::string_view bytes) {
    buffered_ += bytes;
    buffered_.erase(0, session_.OnBytes(buffered_));
    while (connection_.resumed) {
      connection_.resumed = false;
      buffered_.erase(0, session_.OnBytes(buffered_));
    }
    return connection_.Take();
  }
  Reply Ask(const std::string& method, const std::string& target, const std::string& headers = "",
            const std::string& body = "") {
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: h\r\n" + headers;
    if (method == "PUT" || !body.empty())
      request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    const std::vector<Reply> replies = Split(Send(request + "\r\n" + body), method == "HEAD");
    EXPECT_THAT(replies, SizeIs(1)) << method << " " << target;
    return replies.empty() ? Reply{} : replies.front();
  }
  Reply Put(const std::string& key, const std::string& value, const std::string& context = "") {
    return Ask("PUT", "/v1/kv/default/" + key,
               context.empty() ? "" : "X-Gyre-Context: " + context + "\r\n", value);
  }
  Reply Get(const std::string& key, const std::string& headers = "") {
    return Ask("GET", "/v1/kv/default/" + key, headers);
  }

  FakeBackend backend_;
  FakeConnection connection_;
  HttpSession session_{connection_, backend_};
  std::string buffered_;
};

// Goal: what is put is got, with its context.
TEST_F(HttpSessionTest, PutThenGetGivesTheValueAndItsContext) {
  const Reply put = Put("k", "hello");
  EXPECT_EQ(put.status, 204);
  EXPECT_EQ(put.Header("Content-Length"), "");
  const Reply get = Get("k");
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.body, "hello");
  EXPECT_EQ(get.Header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(get.Header("X-Gyre-Context"), put.Header("X-Gyre-Context"));
  EXPECT_NE(get.Header("X-Gyre-Context"), "");
  EXPECT_FALSE(connection_.closing);
}

// Goal: any value comes back equal, through every way of sending it.
TEST_F(HttpSessionTest, ValuesOfAnyBytesAndSizesRoundTrip) {
  for (const std::size_t size : {0, 1, 1 << 14, (1 << 20) + 1, 8 << 20}) {
    std::string value(size, '\0');
    for (std::size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i * 31 + i / 251);
    const std::string context = Get("big").Header("X-Gyre-Context");
    ASSERT_EQ(Put("big", value, context).status, 204);
    const Reply get = Get("big");
    EXPECT_EQ(get.status, 200);
    EXPECT_TRUE(get.body == value) << size;
  }
}

// Goal: the key is exactly the rest of the path, decoded, with '/' raw or encoded.
TEST_F(HttpSessionTest, KeysOfAnyBytesArePercentDecoded) {
  EXPECT_EQ(Put("a%2Fb%00%FF+%25", "1").status, 204);
  const auto& put = std::get<PutRequest>(backend_.requests.back());
  EXPECT_EQ(put.key.key.view(), std::string_view("a/b\0\xFF+%", 7));
  EXPECT_EQ(put.key.token, backend_.view()->ring.TokenOf(put.key.key.view()));
  EXPECT_EQ(Get("a/b%00%ff%2B%25").body, "1");
  EXPECT_TRUE(rc::check([this](const std::string& key) {
    RC_PRE(!key.empty());
    RC_ASSERT(Ask("GET", "/v1/kv/default/" + PercentEncode(key)).status == 404);
    RC_ASSERT(std::get<GetRequest>(backend_.requests.back()).key.key.view() == key);
  }));
}

// Goal: two writers that saw nothing make siblings; one that saw both merges them.
// Paper 4.4: versions that nobody has reconciled are all returned, with one context.
TEST_F(HttpSessionTest, BlindPutsBecomeSiblingsUntilOneIsPutWithTheirContext) {
  Put("k", "first");
  Put("k", "second--gyre-");
  const Reply siblings = Get("k");
  EXPECT_EQ(siblings.status, 300);
  const std::string type = siblings.Header("Content-Type");
  ASSERT_THAT(type, StartsWith("multipart/mixed; boundary="));
  const std::string boundary = type.substr(type.find('=') + 1);
  EXPECT_EQ(siblings.body,
            "--" + boundary +
                "\r\nContent-Type: application/octet-stream\r\nContent-Length: 13\r\n"
                "\r\nsecond--gyre-\r\n--" +
                boundary +
                "\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n"
                "\r\nfirst\r\n--" +
                boundary + "--\r\n");
  EXPECT_EQ(siblings.Header("Vary"), "Accept");

  EXPECT_EQ(Put("k", "merged", siblings.Header("X-Gyre-Context")).status, 204);
  const Reply merged = Get("k");
  EXPECT_EQ(merged.status, 200);
  EXPECT_EQ(merged.body, "merged");
}

// Goal: siblings as JSON for those who ask; any bytes as base64.
TEST_F(HttpSessionTest, SiblingsAsJsonOnRequest) {
  Put("k", std::string("\0\xFF", 2));
  Put("k", "b");
  const Reply reply = Get("k", "Accept: text/html, application/json\r\n");
  EXPECT_EQ(reply.status, 300);
  EXPECT_EQ(reply.Header("Content-Type"), "application/json");
  const auto json = nlohmann::json::parse(reply.body);
  EXPECT_EQ(json.at("context"), reply.Header("X-Gyre-Context"));
  ASSERT_EQ(json.at("values").size(), 2u);
  EXPECT_EQ(json.at("values")[0].at("value_base64"), Base64Encode("b"));
  EXPECT_EQ(json.at("values")[1].at("value_base64"), Base64Encode(std::string("\0\xFF", 2)));
  EXPECT_TRUE(json.at("values")[0].at("time_ms").is_number());
}

// Goal: a value made to hold the boundary cannot forge a part.
TEST_F(HttpSessionTest, BoundaryOccursInNoValue) {
  Put("probe", "x");
  Put("probe", "y");
  const std::string type = Get("probe").Header("Content-Type");
  const std::string boundary = type.substr(type.find('=') + 1);
  // The boundary is made from checksums, so a value that holds its own is hard to find; one that
  // holds another key's is the nearest: it must not clash here either.
  Put("k", "--" + boundary + "\r\n\r\nforged");
  Put("k", "other");
  const Reply reply = Get("k");
  const std::string own = reply.Header("Content-Type").substr(type.find('=') + 1);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = reply.body.find("--" + own, at)) != std::string::npos; ++at) {
    ++count;
  }
  EXPECT_EQ(count, 3u);
}

// Goal: nothing there is 404; a deleted key still gives its context, which a put must carry to be
// newer than the delete.
TEST_F(HttpSessionTest, AbsentIs404AndDeletedIs404WithContext) {
  const Reply absent = Get("k");
  EXPECT_EQ(absent.status, 404);
  EXPECT_EQ(absent.Header("X-Gyre-Context"), "");
  EXPECT_EQ(nlohmann::json::parse(absent.body).at("error").at("code"), "not_found");
  Put("k", "v");
  EXPECT_EQ(Ask("DELETE", "/v1/kv/default/k").status, 204);
  const Reply deleted = Get("k");
  EXPECT_EQ(deleted.status, 404);
  EXPECT_NE(deleted.Header("X-Gyre-Context"), "");
  EXPECT_EQ(Put("k", "again", deleted.Header("X-Gyre-Context")).status, 204);
  EXPECT_EQ(Get("k").body, "again");
}

// Goal: DELETE with a context deletes what was seen and nothing else; without, it reads first.
TEST_F(HttpSessionTest, DeleteWithContextSparesWhatItHasNotSeen) {
  const std::string context = Put("k", "seen").Header("X-Gyre-Context");
  Put("k", "unseen");
  EXPECT_EQ(Ask("DELETE", "/v1/kv/default/k", "X-Gyre-Context: " + context + "\r\n").status, 204);
  EXPECT_FALSE(std::get<PutRequest>(backend_.requests.back()).read_first);
  EXPECT_EQ(Get("k").body, "unseen");
  EXPECT_EQ(Ask("DELETE", "/v1/kv/default/k").status, 204);
  EXPECT_TRUE(std::get<PutRequest>(backend_.requests.back()).read_first);
  EXPECT_EQ(Get("k").status, 404);
}

// Goal: an ETag changes whenever what is returned changes, by a write or by time, and only then.
TEST_F(HttpSessionTest, EntityTagsAreTrue) {
  Put("k", "v");
  const Reply first = Get("k");
  const std::string tag = first.Header("ETag");
  ASSERT_NE(tag, "");
  EXPECT_EQ(Get("k").Header("ETag"), tag);
  const Reply same = Get("k", "If-None-Match: \"other\", W/" + tag + "\r\n");
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(same.Header("Content-Length"), "");
  EXPECT_EQ(same.Header("X-Gyre-Context"), first.Header("X-Gyre-Context"));
  EXPECT_EQ(Get("k", "If-None-Match: \"other\"\r\n").status, 200);

  Ask("PUT", "/v1/kv/default/k?ttl=10", "", "w");  // a sibling that will expire without a write
  const Reply two = Get("k", "If-None-Match: " + tag + "\r\n");
  EXPECT_EQ(two.status, 300);
  EXPECT_NE(Get("k", "Accept: application/json\r\n").Header("ETag"), two.Header("ETag"));
  backend_.Advance(Duration::Seconds(11));
  const Reply one = Get("k", "If-None-Match: " + two.Header("ETag") + "\r\n");
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.body, "v");
}

// Goal: the tag names the living siblings, as one of many may expire without a write.
TEST_F(HttpSessionTest, EntityTagChangesWhenOneOfManySiblingsExpires) {
  Put("k", "a");
  Put("k", "b");
  Ask("PUT", "/v1/kv/default/k?ttl=10", "", "c");
  const std::string three = Get("k").Header("ETag");
  backend_.Advance(Duration::Seconds(11));
  const Reply two = Get("k", "If-None-Match: " + three + "\r\n");
  EXPECT_EQ(two.status, 300);
  EXPECT_NE(two.Header("ETag"), three);
}

// Goal: HEAD is GET without the body.
TEST_F(HttpSessionTest, HeadGivesTheHeaderOfGet) {
  Put("k", "hello");
  const Reply head = Ask("HEAD", "/v1/kv/default/k");
  EXPECT_EQ(head.head, Get("k").head);
  EXPECT_EQ(head.Header("Content-Length"), "5");
}

// Goal: r, w and ttl reach the core; the keyspace's TTL is the default.
TEST_F(HttpSessionTest, QueryReachesTheRequest) {
  Ask("PUT", "/v1/kv/default/k?w=all&r=1&ttl_ms=1500", "", "v");
  const auto put = std::get<PutRequest>(backend_.requests.back());
  EXPECT_EQ(put.options.write_quorum, QuorumSpec::All());
  EXPECT_EQ(put.options.read_quorum->ToString(), "1");
  EXPECT_EQ(std::get<WriteValue>(put.mutation).expiry.ms, backend_.now().wall.ms + 1500);
  Ask("PUT", "/v1/kv/short/k", "", "v");
  EXPECT_EQ(std::get<WriteValue>(std::get<PutRequest>(backend_.requests.back()).mutation).expiry.ms,
            backend_.now().wall.ms + 60'000);
  Ask("PUT", "/v1/kv/default/k?ttl=7", "", "v");
  EXPECT_EQ(std::get<WriteValue>(std::get<PutRequest>(backend_.requests.back()).mutation).expiry.ms,
            backend_.now().wall.ms + 7'000);
}

// Goal: sloppy reaches the core with every method, in all the ways that people write it; without it
// the keyspace decides.
TEST_F(HttpSessionTest, SloppyReachesTheRequest) {
  const auto sloppy = [&](const std::string& method, const std::string& query) {
    Ask(method, "/v1/kv/default/k" + query, "", method == "PUT" ? "v" : "");
    const ClientRequest& request = backend_.requests.back();
    const auto* get = std::get_if<GetRequest>(&request);
    return get != nullptr ? get->options.sloppy : std::get<PutRequest>(request).options.sloppy;
  };
  for (const char* method : {"PUT", "GET", "HEAD", "DELETE"}) {
    EXPECT_EQ(sloppy(method, ""), std::nullopt) << method;
    for (const char* yes : {"yes", "true", "1"}) {
      EXPECT_EQ(sloppy(method, "?sloppy=" + std::string(yes)), true) << method << yes;
    }
    for (const char* no : {"no", "false", "0"}) {
      EXPECT_EQ(sloppy(method, "?r=1&sloppy=" + std::string(no)), false) << method << no;
    }
  }
}

// Goal: a write's answer says what it came to; a read's and an error do not. Paper 4.6.
TEST_F(HttpSessionTest, WritesSayWhatTheyCameTo) {
  backend_.put_copies = 3;
  backend_.put_hints = 1;
  backend_.put_zones = 2;
  for (const bool strict : {false, true}) {
    backend_.put_strict = strict;
    for (const Reply& reply : {Put("k", "v"), Ask("DELETE", "/v1/kv/default/k")}) {
      EXPECT_EQ(reply.status, 204);
      EXPECT_EQ(reply.Header("X-Gyre-Copies"), "3");
      EXPECT_EQ(reply.Header("X-Gyre-Hints"), "1");
      EXPECT_EQ(reply.Header("X-Gyre-Zones"), "2");
      EXPECT_EQ(reply.Header("X-Gyre-Strict"), strict ? "true" : "false");
    }
  }
  EXPECT_EQ(Get("k").Header("X-Gyre-Copies"), "");
  backend_.fail_with = Error{ErrorCode::kUnavailable, "few"};
  EXPECT_EQ(Put("k", "v").Header("X-Gyre-Copies"), "");
}

// Goal: wrong requests are told what is wrong, in JSON, and never reach the core.
TEST_F(HttpSessionTest, WrongRequestsAreRefusedWithAReason) {
  const std::tuple<const char*, const char*, const char*, int, const char*> kCases[] = {
      {"GET", "/v1/kv/default/", "", 400, "the key is empty"},
      {"GET", "/v1/kv/default", "", 400, "there is no key in it"},
      {"GET", "/v1/kv/nope/k", "", 404, "no keyspace"},
      {"GET", "/v1/kv/default/%zz", "", 400, "hexadecimal"},
      {"GET", "/v1/kv/default/k?r=most", "", 400, "r: "},
      {"GET", "/v1/kv/default/k?r=1&r=2", "", 400, "twice"},
      {"GET", "/v1/kv/default/k?x=1", "", 400, "known are r, w, sloppy, ttl"},
      {"GET", "/v1/kv/default/k?sloppy=maybe", "", 400, "sloppy must be yes or no"},
      {"PUT", "/v1/kv/default/k?sloppy=", "", 400, "sloppy must be yes or no"},
      {"GET", "/v1/kv/default/k?ttl=1", "", 400, "for PUT only"},
      {"PUT", "/v1/kv/default/k?ttl=0", "", 400, "from 1 to"},
      {"PUT", "/v1/kv/default/k?ttl=99999999999999999999", "", 400, "from 1 to"},
      {"PUT", "/v1/kv/default/k?ttl=1&ttl_ms=1", "", 400, "not both"},
      {"PUT", "/v1/kv/default/k", "X-Gyre-Context: zzz\r\n", 400, "X-Gyre-Context"},
      {"PUT", "/v1/kv/default/k", "If-Match: \"a\"\r\n", 501, "needs a leader"},
      {"PUT", "/v1/kv/default/k", "Content-Range: bytes 0-1/2\r\n", 400, "as a whole"},
      {"PUT", "/v1/kv/default/k", "Content-Encoding: gzip\r\n", 400, "Content-Encoding"},
      {"GET", "/nothing", "", 404, "GET / lists"},
      {"POST", "/v1/kv/default/k", "", 405, "GET, HEAD, PUT, DELETE"},
      {"PUT", "/v1/status", "", 405, "GET, HEAD"},
      {"GET", "/v1/repair", "", 405, "POST"},
      {"POST", "/v1/cluster", "", 405, "GET, HEAD"},
      {"GET", "/v1/cluster/commit", "", 405, "POST"},
      {"GET", "/v1/cluster/nonsense", "", 404, "GET / lists"},
      {"OPTIONS", "*", "", 400, "not a path"},
  };
  for (const auto& [method, target, headers, status, reason] : kCases) {
    const Reply reply = Ask(method, target, headers);
    EXPECT_EQ(reply.status, status) << method << " " << target;
    ASSERT_EQ(reply.Header("Content-Type"), "application/json");
    const auto json = nlohmann::json::parse(reply.body);
    EXPECT_THAT(json.at("error").at("message").get<std::string>(), HasSubstr(reason));
  }
  EXPECT_EQ(Ask("POST", "/v1/kv/default/k").Header("Allow"), "GET, HEAD, PUT, DELETE");
  EXPECT_THAT(backend_.requests, IsEmpty());
  const std::string long_key(kKeyBytesMax + 1, 'k');
  EXPECT_EQ(Ask("GET", "/v1/kv/default/" + long_key).status, 431);
}

// Goal: surely-not-applied, may-be-applied and wrong can be told apart by the status alone.
TEST_F(HttpSessionTest, OutcomesHaveTheirOwnStatus) {
  const std::tuple<ErrorCode, int, const char*, const char*> kCases[] = {
      {ErrorCode::kUnavailable, 503, "unavailable", "1"},
      {ErrorCode::kOverloaded, 503, "overloaded", "1"},
      {ErrorCode::kOutcomeUnknown, 504, "outcome_unknown", ""},
      {ErrorCode::kInvalidArgument, 400, "invalid_argument", ""},
      {ErrorCode::kCorruption, 500, "corruption", ""},
  };
  for (const auto& [code, status, name, retry_after] : kCases) {
    backend_.fail_with = Error{code, "because \"it\" is so"};
    const Reply reply = Put("k", "v");
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.Header("Retry-After"), retry_after);
    const auto json = nlohmann::json::parse(reply.body);
    EXPECT_EQ(json.at("error").at("code"), name);
    EXPECT_EQ(json.at("error").at("message"), "because \"it\" is so");
  }
}

// Goal: a value over the limit gets a clear answer, before its body is sent, and the connection
// ends.
TEST_F(HttpSessionTest, TooLargeAValueIs413AtOnce) {
  const std::string limit = std::to_string(backend_.config().core.value_bytes_max);
  const std::string more = std::to_string(backend_.config().core.value_bytes_max + 1);
  const std::vector<Reply> replies = Split(
      Send("PUT /v1/kv/default/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: " +
           more + "\r\n\r\n"));
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].status, 413);
  EXPECT_THAT(replies[0].body, HasSubstr("limit of " + limit + " bytes"));
  EXPECT_EQ(replies[0].Header("Connection"), "close");
  EXPECT_TRUE(connection_.closing);
  EXPECT_EQ(Send("the body comes nevertheless"), "");
  EXPECT_THAT(buffered_, IsEmpty());
}

// Goal: 100 Continue is sent to who waits for it, and the request goes on.
TEST_F(HttpSessionTest, ExpectContinueIsAnswered) {
  EXPECT_EQ(Send("PUT /v1/kv/default/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                 "Content-Length: 2\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Split(Send("ab"))[0].status, 204);
}

// Goal: replies come in the order of the requests, whatever the order of the answers.
TEST_F(HttpSessionTest, PipelinedReadsAreAnsweredInOrder) {
  Put("a", "1");
  Put("b", "22");
  backend_.deferred = true;
  EXPECT_EQ(Send("GET /v1/kv/default/a HTTP/1.1\r\nHost: h\r\n\r\n"
                 "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
                 "GET /v1/kv/default/b HTTP/1.1\r\nHost: h\r\n\r\n"),
            "");
  ASSERT_EQ(backend_.waiting(), 2u);  // both run at once
  EXPECT_EQ(session_.pending(), 2u);
  backend_.Answer(1);
  EXPECT_EQ(connection_.Take(), "");
  backend_.Answer(0);
  EXPECT_GT(connection_.flushes, 0);
  const std::vector<Reply> replies = Split(connection_.Take());
  ASSERT_THAT(replies, SizeIs(3));
  EXPECT_EQ(replies[0].body, "1");
  EXPECT_EQ(replies[1].body, "ok\n");
  EXPECT_EQ(replies[2].body, "22");
}

// Goal: a client that pipelines a write and a read of it sees its own write.
TEST_F(HttpSessionTest, PipelinedWritesWaitTheirTurn) {
  backend_.deferred = true;
  Send(
      "GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n"
      "PUT /v1/kv/default/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nv"
      "GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n");
  std::vector<int> statuses;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(backend_.waiting(), 1u) << i;
    backend_.Answer();
    for (const Reply& reply : Split(Send(""))) statuses.push_back(reply.status);
  }
  EXPECT_THAT(statuses, testing::ElementsAre(404, 204, 200));
  EXPECT_FALSE(connection_.paused);
}

// Goal: what operators say reaches the cluster as they said it, and its answer comes back.
TEST_F(HttpSessionTest, ClusterCommandsAreHandedOn) {
  backend_.cluster_answer = std::string(R"({"number":7})");
  const std::string change = R"({"change":"leave","node":"n2"})";
  const std::tuple<const char*, const char*, std::string, const char*> kCases[] = {
      {"GET", "/v1/cluster", "", "status"},       {"POST", "/v1/cluster/stage", change, "stage"},
      {"GET", "/v1/cluster/plan", "", "plan"},    {"POST", "/v1/cluster/commit", "", "commit"},
      {"POST", "/v1/cluster/abort", "", "abort"},
  };
  for (const auto& [method, path, body, verb] : kCases) {
    const Reply reply = Ask(method, path, "", body);
    EXPECT_EQ(reply.status, 200) << path;
    EXPECT_EQ(reply.Header("Content-Type"), "application/json");
    EXPECT_EQ(reply.body, "{\"number\":7}\n");
    EXPECT_EQ(backend_.cluster_commands.back(), std::make_pair(std::string(verb), body));
  }
  EXPECT_EQ(backend_.cluster_commands.size(), 5u);
  EXPECT_EQ(Ask("HEAD", "/v1/cluster").Header("Content-Length"), "13");
}

// Goal: what went wrong can be told by the status, with the cluster's own sentence.
TEST_F(HttpSessionTest, ClusterErrorsHaveTheirOwnStatus) {
  const std::pair<ErrorCode, int> kCases[] = {{ErrorCode::kInvalidArgument, 400},
                                              {ErrorCode::kUnavailable, 503},
                                              {ErrorCode::kOverloaded, 503},
                                              {ErrorCode::kOutcomeUnknown, 504},
                                              {ErrorCode::kUnsupported, 501}};
  for (const auto& [code, status] : kCases) {
    backend_.cluster_answer = Fail(code, "no member is named 'n9'");
    const Reply reply = Ask("POST", "/v1/cluster/commit");
    EXPECT_EQ(reply.status, status);
    EXPECT_THAT(reply.body, HasSubstr("no member is named 'n9'"));
  }
}

// Goal: an answer may take its time: what was asked after a change waits for it, and other
// connections' requests are not in the way.
TEST_F(HttpSessionTest, ClusterAnswersComeLate) {
  backend_.deferred = true;
  EXPECT_EQ(Send("POST /v1/cluster/commit HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                 "GET /v1/cluster HTTP/1.1\r\nHost: h\r\n\r\n"),
            "");
  EXPECT_EQ(session_.pending(), 1u);
  EXPECT_TRUE(connection_.paused);
  ASSERT_THAT(backend_.cluster_commands, SizeIs(1));
  backend_.cluster_waiting[0](std::string("1"));
  EXPECT_GT(connection_.flushes, 0);
  ASSERT_THAT(backend_.cluster_commands, SizeIs(2));
  backend_.cluster_waiting[1](std::string("2"));
  const std::vector<Reply> replies = Split(Send(""));
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].body, "1\n");
  EXPECT_EQ(replies[1].body, "2\n");
  EXPECT_EQ(session_.pending(), 0u);
  EXPECT_FALSE(connection_.paused);
}

// Goal: a connection that goes meanwhile keeps its session until the answer is there, and no
// longer.
TEST_F(HttpSessionTest, ClusterAnswerFindsAClosedConnection) {
  backend_.deferred = true;
  Send("GET /v1/cluster HTTP/1.1\r\nHost: h\r\n\r\n");
  session_.OnClosed();
  EXPECT_EQ(session_.pending(), 1u);
  backend_.cluster_waiting[0](std::string("{}"));
  EXPECT_EQ(session_.pending(), 0u);
  EXPECT_EQ(connection_.Take(), "");
}

// Goal: nobody says anything to the cluster without the password.
TEST_F(HttpSessionTest, ClusterCommandsWantThePassword) {
  backend_.SetConfig([](ServerConfig& config) { config.password = "secret"; });
  EXPECT_EQ(Ask("POST", "/v1/cluster/commit").status, 401);
  EXPECT_THAT(backend_.cluster_commands, IsEmpty());
  EXPECT_EQ(Ask("POST", "/v1/cluster/commit", "Authorization: Bearer secret\r\n").status, 200);
}

// Goal: what a client may have open is bounded; the rest stays in its connection.
TEST_F(HttpSessionTest, OpenRequestsAreBounded) {
  backend_.deferred = true;
  std::string many;
  for (int i = 0; i < 500; ++i) many += "GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n";
  Send(many);
  EXPECT_EQ(backend_.waiting(), HttpSession::kPipelineMax);
  EXPECT_TRUE(connection_.paused);
  EXPECT_FALSE(buffered_.empty());
  std::size_t replies = 0;
  while (backend_.waiting() > 0) {
    backend_.Answer();
    replies += Split(Send("")).size();
  }
  EXPECT_EQ(replies, 500u);
  EXPECT_THAT(buffered_, IsEmpty());
}

// Goal: a client that does not read its replies cannot make more of them.
TEST_F(HttpSessionTest, FullOutputStopsTheParsing) {
  connection_.output_full = true;
  EXPECT_EQ(Send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"), "");
  EXPECT_FALSE(buffered_.empty());
  connection_.output_full = false;
  EXPECT_THAT(Split(Send("")), SizeIs(1));
}

// Goal: "Connection: close" and HTTP/1.0 end the connection after the reply; keep-alive is
// confirmed.
TEST_F(HttpSessionTest, ConnectionEndsWhenTheClientSaysSo) {
  EXPECT_THAT(Send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_FALSE(connection_.closing);
  EXPECT_THAT(Send("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                   "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"),
              AllOf(HasSubstr("Connection: close\r\n"), StartsWith("HTTP/1.1 200")));
  EXPECT_TRUE(connection_.closing);
  EXPECT_THAT(buffered_, IsEmpty());
}

// Goal: garbage after a good request: the good one is answered, then the failure, then the end.
TEST_F(HttpSessionTest, GarbageIsAnsweredAfterWhatCameBefore) {
  backend_.deferred = true;
  Send("GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n\x01garbage");
  EXPECT_FALSE(connection_.closing);
  backend_.Answer();
  const std::vector<Reply> replies = Split(connection_.Take());
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].status, 404);
  EXPECT_EQ(replies[1].status, 400);
  EXPECT_TRUE(connection_.closing);
}

// Goal: slowloris: a request that drips in is cut off with 408, however steadily it drips.
TEST_F(HttpSessionTest, SlowRequestsGet408) {
  Ask("GET", "/livez");
  backend_.Advance(Duration::Seconds(3600));  // idle between requests is no slow request
  EXPECT_EQ(Send("GET / HTTP/1.1\r\n"), "");
  for (int i = 0; i < 29; ++i) {
    backend_.Advance(Duration::Seconds(1));
    EXPECT_EQ(Send("A: b\r\n"), "") << i;
  }
  backend_.Advance(Duration::Seconds(1));
  EXPECT_THAT(Send("A"), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(connection_.closing);
}

// Goal: an owner's timer can cut a client that has stopped sending.
TEST_F(HttpSessionTest, SilentRequestsGet408ByTheTick) {
  Send("PUT /v1/kv/default/k HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  backend_.Advance(Duration::Seconds(29));
  session_.OnTick(backend_.now().instant);
  EXPECT_EQ(connection_.Take(), "");
  backend_.Advance(Duration::Seconds(1));
  session_.OnTick(backend_.now().instant);
  EXPECT_THAT(connection_.Take(), StartsWith("HTTP/1.1 408 "));
  EXPECT_GT(connection_.flushes, 0);
}

// Goal: a large value waits while enough bytes of them are in flight, anything for data while the
// shard has enough to do, each in its turn; small ones and probes do not wait for large ones.
TEST_F(HttpSessionTest, RequestsWaitForRoomInTurn) {
  const std::string large =
      "PUT /v1/kv/default/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" +
      std::string(5'000, 'v');
  const std::string get = "GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n";
  FakeConnection other_connection, gone_connection;
  HttpSession other(other_connection, backend_), gone(gone_connection, backend_);
  backend_.value_room = 0;
  EXPECT_EQ(Send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(gone.OnBytes(large), large.size());
  EXPECT_EQ(Send(large + get), "");
  EXPECT_EQ(session_.pending(), 1u) << "a client that ends its side gets its answer";
  EXPECT_TRUE(connection_.paused);
  EXPECT_EQ(other.OnBytes(get), get.size());
  EXPECT_THAT(other_connection.Take(), StartsWith("HTTP/1.1 404 "));
  gone.OnClosed();
  EXPECT_EQ(gone.pending(), 0u);

  backend_.EndTurn();
  EXPECT_EQ(backend_.requests.size(), 1u) << "there is no room yet";
  backend_.value_room = 1;
  backend_.EndTurn();
  EXPECT_THAT(Send(""), StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(backend_.requests, SizeIs(3)) << "its get follows; who went away takes no turn";

  backend_.room = 0;
  EXPECT_EQ(other.OnBytes(get), get.size());
  EXPECT_EQ(other_connection.Take(), "");
  backend_.room = 1;
  backend_.EndTurn();
  EXPECT_THAT(other_connection.Take(), StartsWith("HTTP/1.1 200 "));
}

// Goal: what has waited for room too long is refused, not run, and the next is served.
TEST_F(HttpSessionTest, WhatWaitedTooLongForRoomIsRefused) {
  backend_.room = 0;
  EXPECT_EQ(Send("GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n"), "");
  backend_.Advance(backend_.config().unread_max + Duration::Millis(1));
  backend_.room = 1;
  backend_.EndTurn();
  const std::vector<Reply> replies = Split(Send(""));
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].status, 503);
  EXPECT_THAT(replies[0].body, HasSubstr("limits.unread"));
  EXPECT_TRUE(backend_.requests.empty());
  EXPECT_EQ(Get("k").status, 404);
}

// Goal: answers that come after the client has gone are dropped in peace.
TEST_F(HttpSessionTest, AnswersAfterTheEndAreDropped) {
  backend_.deferred = true;
  Send("GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n");
  session_.OnClosed();
  EXPECT_EQ(session_.pending(), 1u);
  backend_.Answer();
  EXPECT_EQ(session_.pending(), 0u);
  EXPECT_EQ(connection_.Take(), "");
}

// Goal: the password of RESP guards HTTP too, but not the probes.
TEST_F(HttpSessionTest, PasswordIsAskedForWhereThereIsOne) {
  backend_.SetConfig([](ServerConfig& config) { config.password = "pa:ss"; });
  EXPECT_EQ(Ask("GET", "/livez").status, 200);
  EXPECT_EQ(Ask("GET", "/readyz").status, 200);
  for (const char* path :
       {"/v1/kv/default/k", "/v1/status", "/metrics", "/v1/explain/default/k", "/"}) {
    const Reply refused = Ask("GET", path);
    EXPECT_EQ(refused.status, 401) << path;
    EXPECT_THAT(refused.Header("WWW-Authenticate"), StartsWith("Basic"));
    EXPECT_EQ(Ask("GET", path, "Authorization: Basic " + Base64Encode("any:wrong") + "\r\n").status,
              401);
    EXPECT_EQ(Ask("GET", path, "Authorization: Bearer pa:s\r\n").status, 401);
  }
  EXPECT_THAT(backend_.requests, IsEmpty());
  EXPECT_EQ(Get("k", "Authorization: Basic " + Base64Encode("any:pa:ss") + "\r\n").status, 404);
  EXPECT_EQ(Get("k", "Authorization: bearer pa:ss\r\n").status, 404);
}

// Goal: who has just started is alive, and not ready.
TEST_F(HttpSessionTest, NotReadyUntilAllShardsServe) {
  backend_.stats.shards_starting = 1;
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  EXPECT_EQ(Ask("GET", "/livez").status, 200);
}

// Goal: balancers send nobody new to a node that is about to be stopped.
TEST_F(HttpSessionTest, NotReadyWhileDrained) {
  backend_.stats.shards_draining = 1;
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  EXPECT_THAT(Ask("GET", "/readyz").body, HasSubstr("drained"));
  EXPECT_EQ(Ask("GET", "/livez").status, 200);
}

// Goal: ready means that writes are taken; alive does not.
TEST_F(HttpSessionTest, NotReadyWhileTheStorageTakesNoWrites) {
  EXPECT_EQ(Ask("GET", "/readyz").status, 200);
  backend_.stats.engine.writable = false;
  backend_.stats.engine.problem = "the disk is full";
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  EXPECT_THAT(Ask("GET", "/readyz").body, HasSubstr("the disk is full"));
  EXPECT_EQ(Ask("GET", "/livez").status, 200);
}

// Goal: the pages are there, and JSON where they say so.
TEST_F(HttpSessionTest, ServesItsPages) {
  for (const char* path : {"/", "/v1/status", "/v1/ring", "/v1/keyspaces"}) {
    const Reply reply = Ask("GET", path);
    EXPECT_EQ(reply.status, 200) << path;
    EXPECT_EQ(reply.Header("Content-Type"), "application/json");
    EXPECT_TRUE(nlohmann::json::parse(reply.body, nullptr, false).is_object()) << path;
  }
  EXPECT_EQ(nlohmann::json::parse(Ask("GET", "/v1/status").body).at("whole"), true);
  EXPECT_THAT(Ask("GET", "/").body, AllOf(HasSubstr("\"sloppy\""), HasSubstr("X-Gyre-Strict")));
  EXPECT_THAT(Ask("GET", "/metrics").Header("Content-Type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(Ask("GET", "/metrics").body, HasSubstr("# TYPE gyre_requests_total counter"));
  EXPECT_EQ(Ask("GET", "http://any.host/livez").status, 200);
  Put("k", "v");
  const auto explain = nlohmann::json::parse(Ask("GET", "/v1/explain/default/k").body);
  EXPECT_EQ(explain.at("owners")[0], "n1");
  EXPECT_EQ(explain.at("copies")[0].at("clock")[0].at("node"), "n1");
  EXPECT_EQ(explain.at("copies")[0].at("siblings")[0].at("value_base64"), Base64Encode("v"));
}

// Goal: each operation's latency is recorded under its own name.
TEST_F(HttpSessionTest, RecordsLatencies) {
  backend_.deferred = true;
  Send("GET /v1/kv/default/k HTTP/1.1\r\nHost: h\r\n\r\n");
  backend_.Advance(Duration::Millis(3));
  backend_.Answer();
  ASSERT_THAT(backend_.latencies, SizeIs(1));
  EXPECT_EQ(backend_.latencies[0], std::pair(Operation::kGet, Duration::Millis(3)));
}

}  // namespace
}  // namespace gyre
