package endpoint

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// HeaderAuthorizationMessage carries the encoded authorization message of a
// denial, for sts:DecodeAuthorizationMessage. AWS puts such a message into the
// error text of some services only; a header changes no text.
const HeaderAuthorizationMessage = "X-Lanyard-Authorization-Message"

// errorBody is the error that the client will see, or the zero value.
func (h *Handler) errorBody(x *exchange) protocol.ErrorBody {
	if x.err == nil {
		return protocol.ErrorBody{}
	}
	return h.bodyOf(x, x.err)
}

// bodyOf says an error in the words of the request's protocol.
func (h *Handler) bodyOf(x *exchange, err error) protocol.ErrorBody {
	if x.service != nil && x.service.Refusal != nil {
		err = x.service.Refusal(err)
	}
	if s, ok := errors.AsType[*sigv4.Error](err); ok {
		p := sigv4.Query
		if x.protocol != protocol.Query {
			p = sigv4.AWSJSON
		}
		code, status := s.Code(p)
		return protocol.ErrorBody{Code: code, Message: s.Text(p), Status: status, Exception: code}
	}
	var statusOf func(string) (int, bool)
	if x.service != nil {
		statusOf = x.service.constraints.Status
	}
	body := protocol.ErrorOf(err, statusOf)
	if x.protocol != protocol.Query {
		if code, ok := jsonSpelling[body.Code]; ok {
			body.Code, body.Exception = code, code
			if body.Status < 500 && x.protocol == protocol.JSON11 {
				body.Status = http.StatusBadRequest
			}
		}
	}
	return body
}

// jsonSpelling is how AWS's JSON services spell the codes that all services share.
var jsonSpelling = map[string]string{
	"AccessDenied":          "AccessDeniedException",
	"ValidationError":       "ValidationException",
	"InvalidClientTokenId":  "UnrecognizedClientException",
	"ServiceUnavailable":    "ServiceUnavailableException",
	"Throttling":            "ThrottlingException",
	"MalformedQueryString":  "SerializationException",
	"RequestEntityTooLarge": "RequestEntityTooLargeException",
	"UnsupportedMediaType":  "UnsupportedMediaTypeException",
	"MethodNotAllowed":      "UnknownOperationException",
}

// keptBuffer is how large a buffer may be that is kept for further answers.
const keptBuffer = 64 << 10

// respond writes the answer and returns its status.
func (h *Handler) respond(w http.ResponseWriter, x *exchange, failure protocol.ErrorBody) int {
	header := w.Header()
	x.protocol.SetHeader(header, x.request)
	status := http.StatusOK
	buffer, ok := h.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	defer h.buffers.Put(buffer)
	buf := (*buffer)[:0]
	if x.err == nil {
		var err error
		switch x.protocol {
		case protocol.JSON11:
			buf, err = protocol.AppendJSON(buf, x.out)
		case protocol.RESTJSON:
			buf, status, err = x.service.bindings[x.op.Name].AppendResponse(buf, header, x.out)
		default:
			buf, err = protocol.AppendQueryResponse(buf, x.service.Namespace, x.op.Name, x.out, x.request)
		}
		if err != nil {
			h.Log.Error("encode response", "request_id", x.request, "error", err)
			x.err = err
			failure = h.bodyOf(x, err)
		}
	}
	if x.err != nil {
		namespace := h.Services.all[0].Namespace // until the service is known
		if x.service != nil {
			namespace = x.service.Namespace
		}
		status = failure.Status
		buf = x.protocol.AppendError(buf[:0], namespace, failure, x.request)
		if x.protocol == protocol.RESTJSON {
			header.Set(protocol.HeaderErrorType, failure.Code)
		}
		if x.trace != nil {
			message, err := h.Messages.Seal(x.call.Principal.Account, x.trace)
			if err != nil {
				h.Log.Error("no authorization message", "request_id", x.request, "error", err)
			} else {
				header.Set(HeaderAuthorizationMessage, message)
			}
		}
	}
	if cap(buf) <= keptBuffer {
		*buffer = buf
	}
	if h.Pause != nil && tooFast(x, len(buf)) {
		h.Pause(haste)
	}
	header.Set("Content-Length", strconv.Itoa(len(buf)))
	w.WriteHeader(status)
	if _, err := w.Write(buf); err != nil {
		h.Log.Debug("write response", "request_id", x.request, "error", err)
	}
	return status
}

func (x *exchange) serviceName() string {
	if x.service == nil {
		return "unknown"
	}
	return x.service.SigningName
}

// operationName is the operation for metrics and logs: a known one or "unknown",
// never what a client typed.
func (x *exchange) operationName() string {
	if x.op == nil {
		return "unknown"
	}
	return x.op.Name
}

// NewRequestID makes a random UUID. Randomness that fails yields zeros: a request
// without a unique id is still answered.
func NewRequestID(rand io.Reader) string {
	id, _ := uuid.NewRandomFromReader(rand)
	return id.String()
}
