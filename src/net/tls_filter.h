// TLS 1.3 as a StreamFilter: OpenSSL over two blocks of memory, one for each direction.
//
//   kUndecided -first byte 0x16-> kHandshake;  -another, if plain text is accepted-> kPlain
//   kHandshake -certificates are good on both sides-> kOpen -close_notify-> kOpen, ended
//
// Who dials begins in kHandshake. Who accepts tells TLS from plain text by the first byte, which is
// 'G' in the one (docs/wire-format.md) and 0x16 in the other, so that one port serves both.
//
// Nothing is resumed or renegotiated (TLS 1.3 has no renegotiation); updates of keys are handled by
// OpenSSL. An end without close_notify is a lost link like any other: frames have lengths, so that
// whoever cuts a connection can lose messages, but not shorten one.
#pragma once

#include <memory>
#include <string_view>

#include "net/stream_filter.h"
#include "net/tls_context.h"

struct ssl_st;
struct bio_st;

namespace gyre {

// The first byte of who begins TLS.
inline constexpr char kTlsFirstByte = 0x16;

class TlsFilter final : public StreamFilter {
 public:
  static std::unique_ptr<TlsFilter> ForDialing(std::shared_ptr<TlsContext> context);
  static std::unique_ptr<TlsFilter> ForAccepting(std::shared_ptr<TlsContext> context,
                                                 bool plain_accepted);
  ~TlsFilter() override;

  Status Receive(std::string_view wire, GrowBuffer& plain, OutputBuffer& out) override;
  Status Send(OutputBuffer& plain, OutputBuffer& out) override;
  void Finish(OutputBuffer& out) override;
  bool ended() const override { return ended_; }
  Status CheckEnd() const override;
  bool superfluous() const override { return state_ == State::kPlain; }
  bool Encrypts() const override { return state_ == State::kOpen; }
  bool PeerIs(const char* name) const override;

 private:
  enum class State : unsigned char { kUndecided, kHandshake, kOpen, kPlain, kFailed };

  TlsFilter(std::shared_ptr<TlsContext> context, bool dials, bool plain_accepted);
  Status Decide(char first);
  Status Handshake(OutputBuffer& out);
  Status Read(GrowBuffer& plain, OutputBuffer& out);
  void TakeOutput(OutputBuffer& out);
  Status FailHandshake(std::string problem);

  const std::shared_ptr<TlsContext> context_;
  const bool dials_;
  const bool plain_accepted_;
  State state_;
  bool heard_ = false;
  bool ended_ = false;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  bio_st* received_;  // both are ssl_'s
  bio_st* to_send_;
};

}  // namespace gyre
