package nats

import (
	"os"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }
