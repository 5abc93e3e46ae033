#include "net/tls_filter.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "net/tls_text.h"

namespace gyre {
namespace {

constexpr std::size_t kRecordBytesMax = 16 * 1024;
constexpr std::size_t kPiecesMax = 16;

// The first bytes of records that may answer a dialer's: of the handshake, or an alert.
bool BeginsRecord(char first) { return first == kTlsFirstByte || first == 0x15; }

Status Broken(std::string_view problem) { return Fail(ErrorCode::kCorruption, problem); }

}  // namespace

std::unique_ptr<TlsFilter> TlsFilter::ForDialing(std::shared_ptr<TlsContext> context) {
  return std::unique_ptr<TlsFilter>(
      new TlsFilter(std::move(context), /*dials=*/true, /*plain_accepted=*/false));
}

std::unique_ptr<TlsFilter> TlsFilter::ForAccepting(std::shared_ptr<TlsContext> context,
                                                   bool plain_accepted) {
  return std::unique_ptr<TlsFilter>(
      new TlsFilter(std::move(context), /*dials=*/false, plain_accepted));
}

TlsFilter::TlsFilter(std::shared_ptr<TlsContext> context, bool dials, bool plain_accepted)
    : context_(std::move(context)),
      dials_(dials),
      plain_accepted_(plain_accepted),
      state_(dials ? State::kHandshake : State::kUndecided),
      ssl_(SSL_new(context_->ForNewLink().get()), SSL_free),
      received_(BIO_new(BIO_s_mem())),
      to_send_(BIO_new(BIO_s_mem())) {
  GYRE_CHECK(ssl_ != nullptr && received_ != nullptr && to_send_ != nullptr);  // else out of memory
  SSL_set_bio(ssl_.get(), received_, to_send_);
  dials_ ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
}

TlsFilter::~TlsFilter() = default;

Status TlsFilter::Receive(std::string_view wire, GrowBuffer& plain, OutputBuffer& out) {
  if (wire.empty()) return {};
  if (!std::exchange(heard_, true)) {
    if (Status status = Decide(wire.front()); !status) return status;
  }
  if (state_ == State::kPlain) {
    plain.Append(wire);
    return {};
  }
  if (state_ == State::kFailed || ended_) return {};
  // All of it is read below, but what makes no whole record yet.
  GYRE_CHECK(BIO_write(received_, wire.data(), static_cast<int>(wire.size())) ==
             static_cast<int>(wire.size()));
  if (state_ == State::kHandshake) {
    if (Status status = Handshake(out); !status || state_ != State::kOpen) return status;
  }
  return Read(plain, out);
}

Status TlsFilter::Decide(char first) {
  if (dials_) {
    if (BeginsRecord(first)) return {};
    return FailHandshake("it answers in plain text where TLS is wanted");
  }
  if (first == kTlsFirstByte) {
    state_ = State::kHandshake;
    return {};
  }
  if (!plain_accepted_) return FailHandshake("it speaks plain text where TLS is wanted");
  state_ = State::kPlain;
  return {};
}

Status TlsFilter::Handshake(OutputBuffer& out) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const int error = SSL_get_error(ssl_.get(), result);
  TakeOutput(out);  // an alert too
  if (result == 1) {
    state_ = State::kOpen;
    return {};
  }
  if (error == SSL_ERROR_WANT_READ) return {};
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK) {
    ERR_clear_error();
    return FailHandshake("its certificate is not accepted: " +
                         std::string(X509_verify_cert_error_string(verdict)));
  }
  return FailHandshake("no agreement on TLS: " + TlsErrorText());
}

Status TlsFilter::Read(GrowBuffer& plain, OutputBuffer& out) {
  while (true) {
    ERR_clear_error();
    std::size_t read = 0;
    char* const room = plain.Reserve(kRecordBytesMax);
    const int result = SSL_read_ex(ssl_.get(), room, kRecordBytesMax, &read);
    if (result == 1) {
      plain.Commit(read);
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    TakeOutput(out);  // answers to updates of keys, an alert
    if (error == SSL_ERROR_WANT_READ) return {};
    if (error == SSL_ERROR_ZERO_RETURN) {
      ended_ = true;
      return {};
    }
    state_ = State::kFailed;
    // Who dials hears only now that its certificate is refused: TLS 1.3 lets it speak at once.
    return Broken("TLS is broken off: " + TlsErrorText());
  }
}

Status TlsFilter::Send(OutputBuffer& plain, OutputBuffer& out) {
  if (state_ == State::kHandshake) {
    if (Status status = Handshake(out); !status) return status;
  }
  while (state_ == State::kOpen && !plain.empty() && out.size() < kOutBytesMax) {
    std::string_view pieces[kPiecesMax];
    const std::size_t count = plain.Peek(pieces, kPiecesMax);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count && taken < kOutBytesMax; ++i) {
      std::size_t written = 0;
      const std::size_t wanted = std::min(pieces[i].size(), kOutBytesMax);
      ERR_clear_error();
      if (SSL_write_ex(ssl_.get(), pieces[i].data(), wanted, &written) != 1) {
        state_ = State::kFailed;
        return Broken("TLS is broken off: " + TlsErrorText());
      }
      taken += written;
      if (written < pieces[i].size()) break;
    }
    plain.Consume(taken);
    TakeOutput(out);
  }
  return {};
}

void TlsFilter::Finish(OutputBuffer& out) {
  if (state_ != State::kOpen || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // says close_notify the first time; never waits for the other's
  TakeOutput(out);
}

Status TlsFilter::CheckEnd() const {
  if (state_ != State::kHandshake) return {};
  context_->NoteFailedHandshake();
  if (!dials_) return Broken("closed by the peer before TLS was agreed on");
  return Broken(
      "closed by the peer before TLS was agreed on: it may not be set up for TLS; its log says "
      "why");
}

bool TlsFilter::PeerIs(const char* name) const {
  if (state_ != State::kOpen) return false;
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  constexpr unsigned kFlags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;
  return certificate != nullptr && X509_check_host(certificate, name, 0, kFlags, nullptr) == 1;
}

void TlsFilter::TakeOutput(OutputBuffer& out) {
  const std::size_t size = BIO_ctrl_pending(to_send_);
  if (size == 0) return;
  const int taken = BIO_read(to_send_, out.Grow(size), static_cast<int>(size));
  GYRE_CHECK(taken == static_cast<int>(size));
}

Status TlsFilter::FailHandshake(std::string problem) {
  state_ = State::kFailed;
  context_->NoteFailedHandshake();
  return Broken(std::move(problem));
}

}  // namespace gyre
