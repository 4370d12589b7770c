// Histories that failed once. They are written out, so that a change of the generated plans does not affect them.
import type { Fate, Lane, Plan, Step, Visit } from './plan.js'

interface Regression {
  what: string
  plan: Plan
  /** The order of operations; see `WrittenOrder`. */
  order: string
}

function visit(app: number, steps: (Step | Step['do'])[], end: Visit['end'] = 'ok', ...fates: Fate[]): Visit {
  return {
    app,
    end,
    fates,
    steps: steps.map((step) => (typeof step === 'string' ? { do: step } : step) as Step)
  }
}

function tab(...visits: (Visit | 'expire')[]): Lane {
  return { browser: 0, visits }
}

function plan(serializers: Plan['serializers'], ...lanes: Lane[]): Plan {
  return { store: 'redis', serializers, touchAfter: 60, lanes }
}

export const regressions: readonly Regression[] = [
  {
    what: 'regenerate(keys): the new id keeps no key that another request added',
    plan: plan(
      ['msgpack', 'json'],
      tab(visit(1, [{ do: 'regenerate', keep: 'some' }])),
      tab(visit(1, [{ do: 'regenerate', keep: 'none' }], 'refuse')),
      tab(visit(2, [{ do: 'set', key: 'b' }]))
    ),
    order: `2.0 begins
1.0 begins
1.0: read
0.0 begins
0.0: read
2.0: read
2.0: answer of read
2.0: update
2.0: answer of update
1.0: answer of read
1.0: destroy
0.0: answer of read
1.0: answer of destroy
1.0: destroy
1.0: answer of destroy
0.0: create
0.0: answer of create
0.0: update
0.0: answer of update
0.0: destroy
0.0: answer of destroy`
  },
  {
    what: 'save(): its cookie does not overwrite the cookie of the new id',
    plan: plan(
      ['msgpack', 'msgpack'],
      tab(
        visit(2, ['read', { do: 'raise', to: 4 }]),
        visit(3, ['guard', { do: 'regenerate', keep: 'some' }, { do: 'set', key: 'b' }])
      ),
      tab(
        visit(0, [{ do: 'set', key: 'b' }, 'append']),
        visit(
          3,
          [{ do: 'set', key: 'b' }, { do: 'raise', to: 4 }, { do: 'toggle', value: 0 }, 'destroy'],
          'fail'
        )
      ),
      tab(
        visit(0, [{ do: 'set', key: 'b' }], 'leave'),
        visit(3, [{ do: 'permanent', value: true }, 'save', 'nested']),
        visit(3, [{ do: 'add', by: 10 }, 'reload'], 'fail')
      ),
      tab(visit(2, [{ do: 'toggle', value: 1 }, 'append', 'nested']))
    ),
    order: `1.0 begins
0.0 begins
0.0: read
2.0 begins
3.0 begins
3.0: read
1.0: read
2.0: the client leaves
3.0: answer of read
1.0: answer of read
3.0: update
2.1 begins
3.0: answer of update
1.0: update
2.1: read
2.0: read
2.0: answer of read
1.0: answer of update
2.0: update
2.0: answer of update
1.1 begins
0.0: answer of read
2.1: answer of read
0.0: update
0.0: answer of update
1.1: read
1.1: answer of read
0.0: update
2.1: update
0.0: answer of update
2.1: answer of update
2.1: update
2.1: answer of update
0.1 begins
1.1: destroy
0.1: read
0.1: answer of read
1.1: answer of destroy
1.1: destroy
1.1: answer of destroy
2.1: update
2.1: answer of update
2.2 begins
0.1: create
0.1: answer of create
0.1: update
0.1: answer of update
0.1: destroy
0.1: answer of destroy`
  },
  {
    what: 'regenerate() in a queue of commits: leaves no record under another id',
    plan: plan(
      ['msgpack', 'json'],
      tab(visit(3, ['save', { do: 'delete', key: 'a' }, { do: 'toggle', value: 1 }, 'guard'])),
      tab(visit(1, ['login', 'guard', { do: 'add', by: 10 }])),
      {
        ...tab(
          visit(2, [
            { do: 'regenerate', keep: 'some' },
            { do: 'permanent', value: true },
            'append',
            { do: 'add', by: 1 }
          ]),
          visit(0, [{ do: 'delete', key: 'a' }, 'login'])
        ),
        browser: 1
      },
      {
        ...tab(
          'expire',
          visit(2, ['guard', 'touch', { do: 'regenerate', keep: 'some' }, 'nested']),
          visit(3, [
            { do: 'raise', to: 2 },
            { do: 'join', tag: 'z' },
            { do: 'toggle', value: 1 },
            { do: 'regenerate', keep: 'all' }
          ])
        ),
        browser: 1
      }
    ),
    order: `1.0 begins
0.0 begins
3.0 begins
3.1 begins
0.0: read
1.0: read
1.0: answer of read
0.0: answer of read
1.0: create
3.1: create
2.0 begins
2.0: create
1.0: answer of create
1.0: update
3.1: answer of create
1.0: answer of update
0.0: update
0.0: answer of update
3.2 begins
2.0: answer of create
2.1 begins
2.1: read
3.2: read
3.2: answer of read
3.2: create
3.2: answer of create
3.2: update
2.1: answer of read
3.2: answer of update
2.1: create
2.1: answer of create
2.1: update
2.1: answer of update`
  },
  {
    what: 'a commit with two conflicts loses no change',
    plan: plan(
      ['json', 'json', 'json'],
      tab(
        visit(0, [
          { do: 'toggle', value: 1 },
          { do: 'join', tag: 'x' }
        ])
      ),
      tab(visit(1, [{ do: 'toggle', value: 1 }])),
      tab(visit(2, [{ do: 'toggle', value: 0 }]))
    ),
    order: `
      0.0 begins
      0.0: read
      0.0: answer of read
      1.0 begins
      1.0: read
      1.0: answer of read
      1.0: update
      1.0: answer of update
      0.0: update
      2.0 begins
      2.0: read
      2.0: answer of read
      2.0: update
      2.0: answer of update
      0.0: answer of update
    `
  },
  {
    what: 'append: a value is stored once, even if its answer is lost and another request commits before the retry',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['append'], 'ok', 'pass', 'resend')),
      tab(visit(1, ['append']))
    ),
    order: `
      0.0 begins
      0.0: read
      0.0: answer of read
      0.0: update
      1.0 begins
      1.0: read
      1.0: answer of read
      1.0: update
      1.0: answer of update
      0.0: update again
      0.0: answer of update
    `
  },
  {
    what: 'save(): the commit does not repeat a change whose save() was uncertain',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['append', 'try to save'], 'ok', 'pass', 'lose')),
      tab(visit(1, ['append']))
    ),
    order: `
      0.0 begins
      0.0: read
      0.0: answer of read
      0.0: update
      1.0 begins
      1.0: read
      1.0: answer of read
      1.0: update
      1.0: answer of update
      0.0: lost answer of update
    `
  },
  {
    what: 'save(): a stored first try is not reported as refused if the second is refused',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['append', 'try to save'], 'ok', 'pass', 'lose', 'refuse')),
      tab(visit(1, ['read']))
    ),
    order: ''
  },
  {
    what: 'regenerate() in another request: a change that the new id carries is not reported as lost',
    plan: plan(['json', 'json'], tab(visit(0, ['append'], 'ok', 'pass', 'resend')), tab(visit(1, ['login']))),
    order: `
      0.0 begins
      0.0: read
      0.0: answer of read
      0.0: update
      1.0 begins
      1.0: read
      1.0: answer of read
      1.0: create
      1.0: answer of create
      1.0: update
      1.0: answer of update
      0.0: update again
    `
  },
  {
    what: "a request that finds its own change in the store does not repeat another request's append",
    plan: plan(
      ['json', 'json'],
      tab(visit(0, [{ do: 'toggle', value: 1 }, 'save', { do: 'set', key: 'a' }])),
      tab(visit(1, ['append', { do: 'toggle', value: 1 }]))
    ),
    order: `
      0.0 begins
      0.0: read
      0.0: answer of read
      1.0 begins
      1.0: read
      1.0: answer of read
      1.0: update
      1.0: answer of update
      0.0: update
    `
  },
  {
    what: 'regenerate(): after lost answers the session continues, even if a later command is sent twice',
    plan: plan(
      ['json'],
      tab(
        visit(
          0,
          [{ do: 'regenerate', keep: 'all' }, 'append', 'try to save', 'append'],
          'ok',
          ...(['pass', 'pass', 'lose', 'lose', 'lose', 'resend'] as const)
        )
      )
    ),
    order: ''
  },
  {
    what: 'destroy() during regenerate(): the session does not continue under the new id, even if answers are lost',
    plan: plan(
      ['json', 'json'],
      tab(
        visit(
          0,
          [{ do: 'regenerate', keep: 'all' }, 'try to save', 'append'],
          'ok',
          ...(['pass', 'pass', 'lose', 'lose', 'lose', 'refuse'] as const)
        )
      ),
      tab(visit(1, ['destroy']))
    ),
    order: `
      0.0 begins
      0.0: read
      0.0: answer of read
      0.0: create
      0.0: answer of create
      1.0 begins
      1.0: read
      1.0: answer of read
      1.0: destroy
      1.0: answer of destroy
    `
  },
  {
    what: 'a companion cookie of the same id leads nowhere after a move',
    plan: {
      ...plan(
        ['json', 'msgpack', 'json', 'msgpack'],
        tab(visit(2, ['nested']), visit(3, ['login', 'guard'])),
        tab(visit(1, [{ do: 'add', by: 10 }]), visit(1, ['append', 'read', 'destroy'], 'refuse')),
        tab('expire')
      ),
      store: 'memory'
    },
    order: `0.0 begins
      1.0 begins
      1.0: read
      2.0 begins
      0.0: read
      0.0: answer of read
      0.0: create
      1.0: answer of read
      1.0: update
      1.0: answer of update
      0.0: answer of create
      0.1 begins
      1.1 begins
      0.1: read
      0.1: answer of read
      0.1: create
      0.1: answer of create
      0.1: update
      1.1: read
      0.1: answer of update
      1.1: answer of read
      1.1: read
      1.1: answer of read`
  },
  {
    what: 'a new id is taken back, and the answer to that is lost: nothing was stored',
    plan: plan(['json', 'json'], tab(visit(0, ['login'], 'ok', 'pass', 'pass', 'refuse', 'lose'))),
    order: ''
  },
  {
    what: 'a request whose change another one has stored does not fail by the touch that is left',
    plan: {
      ...plan(
        ['json', 'json'],
        tab(visit(0, [{ do: 'toggle', value: 1 }], 'ok', 'pass', 'pass', 'lose')),
        tab(visit(1, [{ do: 'toggle', value: 1 }]))
      ),
      touchAfter: 0
    },
    order: `0.0 begins
      1.0 begins
      0.0: read
      1.0: read
      0.0: answer of read
      1.0: answer of read
      1.0: update
      1.0: answer of update
      0.0: update
      0.0: answer of update
      0.0: touch`
  },
  {
    what: 'a new id whose tombstone was lost and finds nothing is taken back',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['destroy'])),
      tab(visit(1, ['login'], 'ok', 'pass', 'pass', 'lose'))
    ),
    order: `1.0 begins
      0.0 begins
      1.0: read
      0.0: read
      1.0: answer of read
      1.0: create
      1.0: answer of create
      0.0: answer of read
      0.0: destroy
      1.0: update`
  },
  {
    what: 'a session that ended after a move whose answer was lost has ended, and has not just moved',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['login'], 'ok', 'pass', 'pass', 'lose', 'lose', 'lose'), visit(0, ['read']), 'expire'),
      tab(visit(1, ['read']), visit(1, ['append']))
    ),
    order: `0.0 begins
      1.0 begins
      0.0: read
      1.0: read
      0.0: answer of read
      0.0: create
      0.0: answer of create
      0.0: update
      0.0: lost answer of update
      0.0: update
      0.0: lost answer of update
      0.0: update
      0.0: lost answer of update
      1.0: answer of read
      1.1 begins
      0.1 begins
      0.1: read
      0.1: answer of read
      0.1: read
      0.1: answer of read
      0.2 begins
      1.1: read
      1.1: answer of read
      1.1: read`
  },
  {
    what: 'a touch whose answer was lost is no change, if a later write is refused',
    plan: {
      ...plan(['json', 'json'], tab(visit(0, ['save', 'append'], 'ok', 'pass', 'lose', 'refuse'))),
      touchAfter: 0
    },
    order: ''
  },
  {
    what: 'a new record that was sent twice, and could not be read, may be left',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['login'], 'ok', 'pass', 'resend', 'lose', 'lose', 'lose', 'lose'))
    ),
    order: ''
  },
  {
    what: 'a client that leaves learns of no new id whose tombstone was lost',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, ['destroy'])),
      tab(visit(1, ['login'], 'leave', 'pass', 'pass', 'lose', 'lose', 'lose'))
    ),
    order: `1.0 begins
      0.0 begins
      1.0: read
      1.0: answer of read
      1.0: the client leaves
      0.0: read
      0.0: answer of read
      0.0: destroy
      1.0: create`
  },
  {
    what: 'a refusal does not hide that an earlier save() may have stored a session',
    plan: plan(['json', 'json'], {
      browser: 1,
      visits: [visit(0, ['append', 'try to save'], 'ok', 'lose', 'lose', 'lose', 'refuse')]
    }),
    order: ''
  },
  {
    what: 'two requests remove a session, and the answer to the second is lost',
    plan: plan(
      ['json', 'json'],
      tab(visit(0, [{ do: 'regenerate', keep: 'none' }], 'ok', 'pass', 'lose')),
      tab(visit(1, [{ do: 'regenerate', keep: 'none' }]))
    ),
    order: `0.0 begins
      1.0 begins
      0.0: read
      1.0: read
      0.0: answer of read
      1.0: answer of read
      1.0: destroy
      1.0: answer of destroy
      0.0: destroy`
  },
  {
    what: 'a refused touch does not fail a request that only reads',
    plan: { ...plan(['json', 'json'], tab(visit(0, ['read'], 'ok', 'pass', 'refuse'))), touchAfter: 0 },
    order: ''
  }
]
