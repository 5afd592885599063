package webhooks

// belongTo says which plugin was attached last.
func (o *outbox) belongTo(p *plugin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owner = p
}

// liveOn has the outbox outlive the OnDetach that is to come. false: it is another plugin's by now, or another outbox has replaced it.
func (o *outbox) liveOn(p *plugin) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owner != p || o.next.Load() != nil {
		return false
	}
	o.lives++
	return true
}

// outlives reports, at a call of OnDetach, whether the outbox has a life after it.
func (o *outbox) outlives() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lives == 0 {
		return false
	}
	o.lives--
	return true
}
