#include "net/http_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

namespace gyre {
namespace {

using Progress = HttpParser::Progress;
using testing::HasSubstr;
using testing::SizeIs;

struct Parsed {
  std::vector<HttpRequest> requests;
  int failed_with = 0;  // a status; 0: none
  std::string message;
};

// Feeds `bytes` in pieces that end at `cuts`, as a connection would: what is not used is presented
// again, longer.
Parsed ParseInPieces(std::string_view bytes, const std::vector<std::size_t>& cuts,
                     const HttpLimits& limits = {}) {
  Parsed parsed;
  HttpParser parser(limits);
  std::size_t used = 0;
  for (const std::size_t cut : cuts) {
    while (used < cut) {
      const HttpParser::Step step = parser.Feed(bytes.substr(used, cut - used));
      used += step.used;
      if (step.progress == Progress::kDone) {
        parsed.requests.push_back(parser.TakeRequest());
        continue;
      }
      if (step.progress == Progress::kFailed) {
        parsed.failed_with = parser.failure().status;
        parsed.message = parser.failure().message;
        return parsed;
      }
      if (step.progress == Progress::kNeedMore) break;
    }
  }
  return parsed;
}

Parsed Parse(std::string_view bytes, const HttpLimits& limits = {}) {
  return ParseInPieces(bytes, {bytes.size()}, limits);
}

// One byte at a time.
Parsed ParseByBytes(std::string_view bytes, const HttpLimits& limits = {}) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i <= bytes.size(); ++i) cuts.push_back(i);
  return ParseInPieces(bytes, cuts, limits);
}

constexpr std::string_view kChunkedPut =
    "PUT /v1/kv/default/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

// Goal: every part of a request comes out as it was sent.
TEST(HttpParserTest, ParsesRequestLineHeadersAndBody) {
  const Parsed parsed = Parse(
      "PUT /v1/kv/default/a%2Fb?w=2 HTTP/1.1\r\nHost: h\r\nX-Gyre-Context: abc\r\n"
      "Content-Length: 5\r\n\r\nhello");
  ASSERT_THAT(parsed.requests, SizeIs(1));
  const HttpRequest& request = parsed.requests.front();
  EXPECT_EQ(request.method, HttpMethod::kPut);
  EXPECT_EQ(request.target, "/v1/kv/default/a%2Fb?w=2");
  EXPECT_EQ(request.body, "hello");
  ASSERT_NE(request.Header("x-gyre-context"), nullptr);
  EXPECT_EQ(*request.Header("x-gyre-context"), "abc");
  EXPECT_TRUE(request.keep_alive);
}

// Goal: bytes come cut anywhere; the requests must be the same.
TEST(HttpParserTest, CutsDoNotMatter) {
  const std::string bytes = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n" + std::string(kChunkedPut) +
                            "\r\nDELETE /c HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                            "GET /d HTTP/1.0\r\n\r\n";
  const Parsed whole = Parse(bytes);
  ASSERT_THAT(whole.requests, SizeIs(4));
  EXPECT_EQ(whole.requests[1].body, "hello world");
  EXPECT_FALSE(whole.requests[3].keep_alive);
  EXPECT_EQ(ParseByBytes(bytes).requests, whole.requests);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    EXPECT_EQ(ParseInPieces(bytes, {cut, bytes.size()}).requests, whole.requests) << cut;
  }
}

// Goal: the empty chunked body, one byte at a time, which trips an assertion in the library
// beneath.
TEST(HttpParserTest, TakesAnEmptyChunkedBodyByteByByte) {
  const std::string bytes =
      "PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  const Parsed parsed = ParseByBytes(bytes);
  ASSERT_THAT(parsed.requests, SizeIs(1));
  EXPECT_EQ(parsed.requests.front().body, "");
}

// Goal: what two parsers could read in two ways is refused, so that nothing is smuggled past a
// proxy.
TEST(HttpParserTest, RefusesAmbiguousRequests) {
  const std::pair<const char*, int> kCases[] = {
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
       400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 501},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
      {"PUT /k HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"GET /k HTTP/1.1\r\n\r\n", 400},
      {"GET /k HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /k HTTP/1.1\r\nHost: h\r\nA: b\r\n folded\r\n\r\n", 400},
      {"GET /k HTTP/1.1\r\nHost : h\r\n\r\n", 400},
      {"GET /k HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n", 400},
      {"GET /k HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"GET  /k HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET /k\r\n\r\n", 400},
      {"\x16\x03\x01\x02", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nExpect: a-miracle\r\n\r\n", 417},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX1\r\n", 400},
      {"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
       400},
  };
  for (const auto& [bytes, status] : kCases) {
    EXPECT_EQ(Parse(bytes).failed_with, status) << bytes;
    EXPECT_EQ(ParseByBytes(bytes).failed_with, status) << bytes;
  }
}

// Goal: each limit has its own status, at its very border, however the bytes are cut.
TEST(HttpParserTest, HoldsItsLimits) {
  HttpLimits limits;
  limits.header_bytes_max = 200;
  limits.headers_max = 5;
  limits.body_bytes_max = 10;
  const auto padded = [](std::size_t total) {
    std::string request = "GET / HTTP/1.1\r\nHost: h\r\nP: ";
    request.append(total - request.size() - 4, 'x');
    return request + "\r\n\r\n";
  };
  for (const auto parse : {Parse, ParseByBytes}) {
    EXPECT_THAT(parse(padded(200), limits).requests, SizeIs(1));
    EXPECT_EQ(parse(padded(201), limits).failed_with, 431);
    EXPECT_EQ(parse("GET /" + std::string(300, 'x'), limits).failed_with, 431);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: h\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\n\r\n", limits)
                  .failed_with,
              431);
    const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\n";
    EXPECT_THAT(parse(head + "Content-Length: 10\r\n\r\n0123456789", limits).requests, SizeIs(1));
    EXPECT_EQ(parse(head + "Content-Length: 11\r\n\r\n", limits).failed_with, 413);
    const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
    EXPECT_THAT(parse(chunked + "6\r\n012345\r\n4\r\n6789\r\n0\r\n\r\n", limits).requests,
                SizeIs(1));
    EXPECT_EQ(parse(chunked + "6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n", limits).failed_with, 413);
    EXPECT_EQ(parse(chunked + "1;" + std::string(300, 'x'), limits).failed_with, 400);
    EXPECT_EQ(parse(chunked + "0\r\nT: " + std::string(300, 'x') + "\r\n\r\n", limits).failed_with,
              400);
  }
  EXPECT_THAT(Parse("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", limits).message,
              HasSubstr("limit of 10 bytes"));
}

// Goal: a client that waits for "100 Continue" hears it once, and one that does not wait never.
TEST(HttpParserTest, TellsOnceThatTheClientWaitsForContinue) {
  const std::string head =
      "PUT /k HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
  HttpParser waits({});
  EXPECT_EQ(waits.Feed(head).progress, Progress::kExpectsContinue);
  EXPECT_EQ(waits.Feed("a").progress, Progress::kNeedMore);
  EXPECT_EQ(waits.Feed("b").progress, Progress::kDone);
  HttpParser sends_at_once({});
  EXPECT_EQ(sends_at_once.Feed(head + "a").progress, Progress::kNeedMore);
}

// Goal: keys are any bytes; encoding and decoding them are inverse.
TEST(HttpParserTest, PercentCodingRoundTripsAnyBytes) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    std::string back;
    RC_ASSERT(PercentDecode(PercentEncode(bytes), back));
    RC_ASSERT(back == bytes);
  }));
  std::string out;
  EXPECT_TRUE(PercentDecode("a+b%2f%00", out));
  EXPECT_EQ(out, std::string("a+b/\0", 5));
  for (const char* bad : {"%", "%1", "a%g0", "%0g", "%%30"}) EXPECT_FALSE(PercentDecode(bad, out));
}

}  // namespace
}  // namespace gyre
