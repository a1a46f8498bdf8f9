//! What a filter may be made of, and what that costs: a walk over the expression as it was written.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators},
};

use super::{Cost, FilterError};

const VARIABLES: &str = "type, time and data";
const FUNCTIONS: &str = "size, contains, startsWith, endsWith, has, exists, exists_one and all";
/// Nodes of an expression.
const NODES_MAX: usize = 200;
/// Nodes below one another: evaluation recurses.
const DEPTH_MAX: usize = 32;

/// What is known of a value before there is an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Number,
    Text,
    Null,
    List,
    /// Whatever the payload has there.
    Any,
}

impl Kind {
    fn can_be(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Null => "null",
            Self::List => "a list",
            Self::Any => "any value",
        }
    }
}

/// Checks an expression that was parsed without macros, and says what it costs.
pub(super) fn check(expression: &IdedExpr, source: &SourceInfo) -> Result<Cost, FilterError> {
    let mut checker = Checker {
        source,
        cost: Cost::default(),
        depth: 0,
        item: None,
    };
    let kind = checker.walk(expression)?;
    if kind.can_be(Kind::Bool) {
        Ok(checker.cost)
    } else {
        Err(FilterError {
            at: None,
            problem: format!("a filter is true or false, and this is {}", kind.name()),
        })
    }
}

struct Checker<'a> {
    source: &'a SourceInfo,
    cost: Cost,
    depth: usize,
    /// The variable of the loop around, while inside of one.
    item: Option<&'a str>,
}

impl<'a> Checker<'a> {
    fn refuse<T>(&self, node: &IdedExpr, problem: impl Into<String>) -> Result<T, FilterError> {
        let at = self
            .source
            .offset_for(node.id)
            .map(|(start, _)| start as usize + 1);
        Err(FilterError {
            at,
            problem: problem.into(),
        })
    }

    fn walk(&mut self, node: &'a IdedExpr) -> Result<Kind, FilterError> {
        self.depth += 1;
        match self.item {
            Some(_) => self.cost.per_item += 1,
            None => self.cost.nodes += 1,
        }
        if self.depth > DEPTH_MAX {
            return self.refuse(node, format!("nested more than {DEPTH_MAX} deep"));
        }
        if self.cost.nodes + self.cost.per_item > NODES_MAX {
            return self.refuse(node, format!("more than {NODES_MAX} parts"));
        }
        let kind = match &node.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Kind::Bool,
                LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
                LiteralValue::String(_) => Kind::Text,
                LiteralValue::Null => Kind::Null,
                LiteralValue::Bytes(_) => return self.refuse(node, "JSON has no bytes; write text"),
            },
            Expr::Ident(name) => self.variable(node, name)?,
            Expr::Select(select) => {
                let kind = self.walk(&select.operand)?;
                if kind != Kind::Any {
                    return self.refuse(node, format!("{} has no field {:?}", kind.name(), select.field));
                }
                Kind::Any
            }
            Expr::List(list) => {
                for element in &list.elements {
                    self.walk(element)?;
                    if !matches!(element.expr, Expr::Literal(_)) {
                        return self.refuse(element, "a list holds literals only");
                    }
                }
                Kind::List
            }
            Expr::Call(call) => self.call(node, call)?,
            Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                return self.refuse(node, "objects cannot be built in a filter");
            }
        };
        self.depth -= 1;
        Ok(kind)
    }

    fn variable(&self, node: &IdedExpr, name: &str) -> Result<Kind, FilterError> {
        match (name, self.item) {
            (name, Some(item)) if name == item => Ok(Kind::Any),
            ("type", _) => Ok(Kind::Text),
            ("time", _) => Ok(Kind::Number),
            ("data", None) => Ok(Kind::Any),
            ("data", Some(item)) => self.refuse(
                node,
                format!("in here only {item}, type and time can be used: data would be searched once for each {item}"),
            ),
            ("id", _) => self.refuse(
                node,
                "an event gets its id after its webhooks are chosen, so a filter cannot use it",
            ),
            _ => self.refuse(node, format!("there is no {name:?}; there are {VARIABLES}")),
        }
    }

    fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr) -> Result<Kind, FilterError> {
        let args: Vec<&IdedExpr> = call.target.iter().map(AsRef::as_ref).chain(&call.args).collect();
        match (call.func_name.as_str(), call.target.is_some(), args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, false, [left, right]) => {
                self.expect(left, Kind::Bool)?;
                self.expect(right, Kind::Bool)
            }
            (operators::LOGICAL_NOT, false, [operand]) => self.expect(operand, Kind::Bool),
            (operators::NEGATE, false, [operand]) => self.expect(operand, Kind::Number),
            (operators::CONDITIONAL, false, [condition, yes, no]) => {
                self.expect(condition, Kind::Bool)?;
                let (yes, no) = (self.walk(yes)?, self.walk(no)?);
                Ok(if yes == no { yes } else { Kind::Any })
            }
            (operators::EQUALS | operators::NOT_EQUALS, false, [left, right]) => {
                self.comparable(node, left, right)?;
                Ok(Kind::Bool)
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                false,
                [left, right],
            ) => {
                let kind = self.comparable(node, left, right)?;
                if matches!(kind, Kind::Null | Kind::List) {
                    return self.refuse(node, format!("{} has no order", kind.name()));
                }
                Ok(Kind::Bool)
            }
            (
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO,
                false,
                [left, right],
            ) => {
                // Texts and lists cannot be added: they would grow.
                self.cost.heavy += 2;
                self.expect(left, Kind::Number)?;
                self.expect(right, Kind::Number)
            }
            (operators::IN, false, [needle, haystack]) => {
                self.walk(needle)?;
                let kind = self.walk(haystack)?;
                if !matches!(kind, Kind::List | Kind::Any) {
                    return self.refuse(node, format!("nothing is in {}", kind.name()));
                }
                self.cost.heavy += 1;
                Ok(Kind::Bool)
            }
            (operators::INDEX, false, [list, index]) => {
                let kind = self.walk(list)?;
                if kind != Kind::Any {
                    return self.refuse(node, format!("{} has no places to look into", kind.name()));
                }
                if !matches!(
                    index.expr,
                    Expr::Literal(LiteralValue::Int(_) | LiteralValue::String(_))
                ) {
                    return self.refuse(index, "a place is a whole number or a text, written out");
                }
                self.walk(index)?;
                Ok(Kind::Any)
            }
            ("has", false, [field]) => {
                if !matches!(field.expr, Expr::Select(_)) {
                    return self.refuse(node, "has takes a field: has(data.name)");
                }
                self.walk(field)?;
                Ok(Kind::Bool)
            }
            ("size", _, [value]) => {
                let kind = self.walk(value)?;
                if !matches!(kind, Kind::Text | Kind::List | Kind::Any) {
                    return self.refuse(node, format!("{} has no size", kind.name()));
                }
                self.cost.heavy += 1;
                Ok(Kind::Number)
            }
            ("contains" | "startsWith" | "endsWith", true, [text, part]) => {
                self.expect(text, Kind::Text)?;
                self.expect(part, Kind::Text)?;
                self.cost.heavy += 1;
                Ok(Kind::Bool)
            }
            ("exists" | "exists_one" | "all", true, [list, variable, condition]) => {
                self.each(node, list, variable, condition)
            }
            (
                "exists" | "exists_one" | "all" | "contains" | "startsWith" | "endsWith" | "has" | "size",
                ..,
            ) => {
                let example = example(&call.func_name);
                self.refuse(node, format!("{} is used like this: {example}", call.func_name))
            }
            (name, ..) => self.refuse(
                node,
                format!("there is no {}; there are {FUNCTIONS}", name.trim_matches('_')),
            ),
        }
    }

    /// A loop over the items of a list or the names of an object's members.
    fn each(
        &mut self,
        node: &'a IdedExpr,
        list: &'a IdedExpr,
        variable: &'a IdedExpr,
        condition: &'a IdedExpr,
    ) -> Result<Kind, FilterError> {
        if self.item.is_some() {
            return self.refuse(node, "a loop inside of a loop is not accepted");
        }
        let kind = self.walk(list)?;
        if !matches!(kind, Kind::List | Kind::Any) {
            return self.refuse(node, format!("{} has no items", kind.name()));
        }
        let Expr::Ident(item) = &variable.expr else {
            return self.refuse(variable, "the first argument is a name for the items");
        };
        if ["type", "time", "data", "id"].contains(&item.as_str()) {
            return self.refuse(variable, format!("{item} is taken; give the items another name"));
        }
        // Items are copied, together all of the list.
        self.cost.heavy += 1;
        // What the loop itself does for each item.
        self.cost.per_item += 4;
        self.item = Some(item);
        self.expect(condition, Kind::Bool)?;
        self.item = None;
        Ok(Kind::Bool)
    }

    fn expect(&mut self, node: &'a IdedExpr, wanted: Kind) -> Result<Kind, FilterError> {
        let kind = self.walk(node)?;
        if kind.can_be(wanted) {
            Ok(wanted)
        } else {
            self.refuse(
                node,
                format!("this has to be {}, and is {}", wanted.name(), kind.name()),
            )
        }
    }

    /// Both sides of a comparison. Comparing with a literal takes one step, anything else can take the whole payload.
    fn comparable(
        &mut self,
        node: &'a IdedExpr,
        left: &'a IdedExpr,
        right: &'a IdedExpr,
    ) -> Result<Kind, FilterError> {
        let kinds = (self.walk(left)?, self.walk(right)?);
        if !kinds.0.can_be(kinds.1) && kinds.0 != Kind::Null && kinds.1 != Kind::Null {
            return self.refuse(
                node,
                format!("{} is compared with {}", kinds.0.name(), kinds.1.name()),
            );
        }
        let is_literal = |node: &IdedExpr| matches!(node.expr, Expr::Literal(_));
        if !is_literal(left) && !is_literal(right) {
            self.cost.heavy += 1;
        }
        Ok(if kinds.0 == Kind::Any { kinds.1 } else { kinds.0 })
    }
}

/// How a function is used.
fn example(function: &str) -> &'static str {
    match function {
        "has" => "has(data.name)",
        "size" => "size(data.items)",
        "contains" | "startsWith" | "endsWith" => "data.name.contains(\"x\")",
        _ => "data.items.exists(item, item.amount > 5)",
    }
}
