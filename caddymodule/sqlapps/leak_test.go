package sqlapps

import (
	"os"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// No goroutine of ours is left when all tests are done.
func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }
