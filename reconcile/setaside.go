package reconcile

// withoutRefused sets aside the steps that PostgreSQL has refused in this pass, so that what does not depend on them is decided. verify reports them.
func (s *state) withoutRefused(steps []Step) []Step {
	var left []Step
	for _, step := range steps {
		if _, ok := s.refused[step.key()]; !ok {
			left = append(left, step)
			continue
		}
		s.setAside = append(s.setAside, step)
		if r, ok := s.roles[step.creates]; ok && r.OID == 0 {
			r.unmade = true
			s.roles[step.creates] = r
		}
	}
	return left
}
